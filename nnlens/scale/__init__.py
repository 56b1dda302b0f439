"""Work on data sets in shards: in this process, in processes of this machine, or on a Dask cluster."""

from .code import words_of
from .shard import Shard
from .sharding import Sharding, ShardingOptions
from .shipped_model import Build, digest_of
from .store import ShardStore
from .task import Result, Run

__all__ = ["Build", "Result", "Run", "Shard", "ShardStore", "Sharding", "ShardingOptions", "digest_of", "words_of"]
