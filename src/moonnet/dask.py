"""Hyperparameter searches on a Dask cluster that survive the failure of workers.

This module needs the extra ``dask``; importing it raises an ImportError if ``distributed`` is not installed.

With ``joblib.parallel_config(backend="dask")``, scikit-learn runs searches and cross-validation on a Dask cluster.
joblib scatters the data that many fits share (samples and their indices) to the workers. Dask cannot restore scattered
data if its worker dies, and then the search may fail. With ``client=resilient(client)``, the search continues.
"""

from typing import Any

try:
    import dask
    from distributed import Client
except ImportError as error:
    raise ImportError("moonnet.dask needs Dask: pip install 'moonnet[dask]'") from error


def resilient(client: Client) -> Any:
    """Return a client for joblib's Dask backend with which searches survive the failure of workers.

    Data that many fits share is not scattered to a worker. Instead, it becomes the result of a task, which Dask runs
    again on another worker if the first one dies. The scheduler stores a copy of this data until the search ends, so
    the samples must fit in its memory.

    Parameters
    ----------
    client : distributed.Client
        A client of the cluster.

    Returns
    -------
    client : object
        A client for ``joblib.parallel_config(backend="dask", client=...)``.

    Raises
    ------
    TypeError
        If ``client`` is not a ``distributed.Client``.

    See Also
    --------
    joblib.parallel_config : Select the backend on which scikit-learn runs in parallel.
    sklearn.model_selection.GridSearchCV : Search over hyperparameters.

    Notes
    -----
    If a fit kills every worker that runs it, Dask gives it up when the fourth worker dies, because the setting
    ``distributed.scheduler.allowed-failures`` is 3 by default. joblib 1.6 then waits for the result forever.

    Examples
    --------
    >>> from dask.distributed import Client
    >>> from joblib import parallel_config
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.model_selection import cross_val_score
    >>> from moonnet import KerasMoonClassifier
    >>> from moonnet.dask import resilient
    >>> X, y = make_moons(200, noise=0.2, random_state=0)
    >>> clf = KerasMoonClassifier(random_state=0)
    >>> with Client(n_workers=2, threads_per_worker=1, dashboard_address=":0") as client:
    ...     with parallel_config(backend="dask", client=resilient(client)):
    ...         scores = cross_val_score(clf, X, y)
    >>> bool((scores == cross_val_score(clf, X, y)).all())
    True
    """
    if not isinstance(client, Client):
        raise TypeError(f"client must be a distributed.Client. Got {client!r} instead.")
    return _ResilientClient(client)


class _ResilientClient:
    """A Dask client that stores shared data as the results of tasks, which Dask can compute again."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy.copy looks these up before the instance has a client
            raise AttributeError(name)
        return getattr(self._client, name)

    def scatter(self, data: Any, asynchronous: bool = False, **_: Any) -> Any:
        """Return an awaitable future of the data, as joblib asks for, or futures of each item of a list."""
        return self._submit_shared_async(data) if asynchronous else list(map(self._submit_shared, data))

    async def _submit_shared_async(self, data: Any) -> Any:
        return self._submit_shared(data)

    def _submit_shared(self, data: Any) -> Any:
        # Dask warns about large data in a task and recommends scattering it
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1PB"}):
            return self._client.submit(_identity, data, pure=False)


def _identity(data: Any) -> Any:
    """Return the data; this is the task whose result the data is."""
    return data
