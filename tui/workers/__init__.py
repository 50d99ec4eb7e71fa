"""Work in threads: the training, queries to the engine, downloads, the hardware monitor; and the protocol of the app."""
