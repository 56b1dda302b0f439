"""What the open views of one lens share: images, the selection, the background worker, searches and jobs."""
