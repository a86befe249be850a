"""Files, cameras, URLs and pipes in; files and pipes out."""
