"""Jobs of the embedded Hub: hubmerge's own commands, run as processes of this machine.

Running what a request says is dangerous, so there are no jobs unless a program gives `LocalJobs`
to the Hub it starts. Each module holds one of the bounds: `form` says which requests are jobs of
hubmerge's, `volumes` lays out what a job may read, `processes` starts, follows and ends them.
"""

from hubmerge.localhub.jobs.form import Job
from hubmerge.localhub.jobs.processes import LocalJobs, this_hubmerge

__all__ = ["Job", "LocalJobs", "this_hubmerge"]
