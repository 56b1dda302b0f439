"""Work on data sets in shards: in this process, in processes of this machine, or on a Dask cluster."""

from .shard import Shard, shards_of
from .shipped_model import Build, digest_of
from .store import ShardStore
from .task import Outcome, Run, Task
from .workers import Workers, workers_for

__all__ = ["Build", "Outcome", "Run", "Shard", "ShardStore", "Task", "Workers", "digest_of", "shards_of", "workers_for"]
