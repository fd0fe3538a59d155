"""Sweeps: one experiment over many settings and seeds, here or on any `concurrent.futures.Executor`.

On the processors of this machine::

    if __name__ == "__main__":  # the processes import the script, and must not sweep themselves
        with ProcessPool(8) as executor:
            records = sweep(experiment, settings, executor, seeds=range(5), file="records.jsonl")

On a dask cluster (``pip install 'tinygrad_rnn[dask]'``; the workers also need this package and the experiment's
module)::

    with Client("scheduler:8786") as client:  # from dask.distributed
        records = sweep(experiment, settings, client.get_executor(pure=False), file="records.jsonl")

If a worker dies, dask gives its runs to others. On SLURM, dask-jobqueue starts such a cluster, with a job for each
worker; ``cluster.job_script()`` shows what it submits::

    with SLURMCluster(cores=1, memory="1GB", walltime="02:00:00") as cluster:  # from dask_jobqueue
        cluster.scale(jobs=64)
        with cluster.get_client() as client:
            records = sweep(experiment, settings, client.get_executor(pure=False), file="records.jsonl")

Under MPI, mpi4py provides the executor. The script below is started by ``mpiexec -n 65 python -m mpi4py.futures
script.py`` or, in a job of SLURM, ``srun -n 65 python -m mpi4py.futures script.py``: one process sweeps, 64 work::

    if __name__ == "__main__":
        with MPIPoolExecutor() as executor:  # from mpi4py.futures
            records = sweep(experiment, settings, executor, file="records.jsonl")

If a job ends before all is done, submit it again: the file says what is missing.

To read it: `run` has the sweep, `records` the file, and `pool` the processes of this machine.
"""

from .pool import ProcessPool
from .records import Record, read_records
from .run import sweep

__all__ = ["ProcessPool", "Record", "read_records", "sweep"]
