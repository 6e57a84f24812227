"""What runs the jobs: the clusters of workers, each with its last sign of life."""

from django.db import models


class ClusterBeat(models.Model):
    """The last signs of life of one cluster of workers, one row each start of a cluster.

    A worker stamps it with each task that it takes, and the process that records results with each
    result: so both stamps together prove the whole way of a task. Whoever started the cluster
    kills it and starts another when they stay out.
    """

    cluster = models.CharField(
        max_length=64, unique=True, help_text="Made anew whenever a cluster is started."
    )
    host = models.CharField(max_length=255, help_text="The machine that it runs on.")
    started_at = models.DateTimeField(help_text="When a worker of it took its first task.")
    task_at = models.DateTimeField(help_text="When a worker of it took a task last.")
    result_at = models.DateTimeField(
        null=True, blank=True, help_text="When the result of a task was recorded last."
    )

    class Meta:
        indexes = [
            # The console lists the newest first, and what is long over is deleted by its age.
            models.Index(fields=["-task_at", "-id"], name="cluster_beat_newest_first"),
        ]
        ordering = ["-id"]
        verbose_name = "worker cluster"

    def __str__(self) -> str:
        return f"{self.host} {self.cluster[:8]}"
