"""Every way to get a rejector and a server for a frozen client, behind one signature."""
