"""What a person meets: commands, the control socket, tables, logs."""
