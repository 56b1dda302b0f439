"""What a session does with texts: it searches long ones for contexts, and explains what a model makes of one."""
