"""Work in the background: in lanes, beside the code of the user, on the engine that is the faster one."""
