"""When the jobs run: one table, applied by `manage.py sync_schedules`."""
