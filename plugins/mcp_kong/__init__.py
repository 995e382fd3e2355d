"""Between Kong and the core: reads a request through the PDK, asks the core, carries out its outcome."""
