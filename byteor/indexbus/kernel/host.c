/* work() for Python: jobs from their descriptions, the worker without the GIL, its end as a tuple. */
#include "calls.h"

#include <string.h>

PyTypeObject *ib_producer_type, *ib_consumer_type;

enum { DROP = 1, MARKS = 2, QUEUE = 4, ORDERED = 8, KEYED = 16 };

typedef struct {
    ib_worker w;
    ib_host host;
    ib_job *jobs;
    ib_call *calls;
    Py_buffer *rows, *params, *texts;
    ib_handle *held[4 * IB_MOST_LANES];
    int held_count;
} crew;

/* Handles of one type out of a tuple, each taken for this worker. */
static int take(crew *c, PyObject *tuple, PyTypeObject *type, ib_party **parties, int *count) {
    Py_ssize_t n = PyTuple_Size(tuple);
    if (n < 0) return -1;
    if (n > IB_MOST_LANES || c->held_count + n > (Py_ssize_t)(sizeof c->held / sizeof c->held[0])) {
        PyErr_SetString(PyExc_ValueError, "too many lanes for one worker");
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *one = PyTuple_GetItem(tuple, i);
        if (!PyType_IsSubtype(Py_TYPE(one), type)) {
            PyErr_SetString(PyExc_TypeError, "a handle of the native kernel");
            return -1;
        }
        ib_handle *h = (ib_handle *)one;
        if (ib_handle_enter(h) != 0) return -1;
        if (h->batch) {
            ib_raise("E_VALUE", "advance past the peeked batch before work");
            return -1;
        }
        h->busy = 1;
        c->held[c->held_count++] = h;
        parties[(*count)++] = &h->p;
    }
    return 0;
}

static int describe(crew *c, int index, PyObject *text) {
    ib_job *j = c->jobs + index;
    ib_call *call = c->calls + index;
    PyObject *rxs, *txs, *function, *row, *choices;
    int kind, native, how, flags;
    unsigned long long row_at, count, size, period, key_at, key_length;
    if (!PyArg_ParseTuple(text, "iO!O!iy*OiiOKOKKy*KKK", &kind, &PyTuple_Type, &rxs, &PyTuple_Type, &txs, &native, c->params + index, &function, &how,
                          &flags, &row, &row_at, &choices, &count, &size, c->texts + index, &period, &key_at, &key_length))
        return -1;
    if (take(c, rxs, ib_consumer_type, j->rx, &j->rxs) != 0 || take(c, txs, ib_producer_type, j->tx, &j->txs) != 0) return -1;
    static const ib_step steps[] = {ib_step_in_place, ib_step_route, ib_step_merge, ib_step_generate, ib_step_discard, ib_step_call_through};
    static const int least[][2] = {{1, 0}, {1, 1}, {1, 1}, {0, 1}, {1, 0}, {1, 0}}; /* lanes read and written */
    if (kind < 0 || kind > IB_FOREIGN || j->rxs < least[kind][0] || j->txs < least[kind][1] || native >= ib_stage_count) {
        PyErr_SetString(PyExc_ValueError, "no such job");
        return -1;
    }
    j->step = how && kind == IB_IN_PLACE ? ib_step_call_in_place : steps[kind];
    j->handle = native < 0 ? NULL : ib_stages[native].handle;
    j->param = (ib_param){c->params[index].buf, (size_t)c->params[index].len};
    j->drop = flags & DROP;
    j->marks = flags & MARKS;
    j->queue = flags & QUEUE;
    j->ordered = flags & ORDERED;
    j->keyed = flags & KEYED;
    j->count = count;
    j->size = size;
    j->text = c->texts[index].buf;
    j->period = period;
    j->key_at = key_at;
    j->key_length = key_length;
    if (kind == IB_GENERATE && (key_at > size || key_length > size - key_at)) {
        PyErr_SetString(PyExc_ValueError, "key outside the message");
        return -1;
    }
    if (kind == IB_GENERATE && (period <= 7919 || size > (uint64_t)c->texts[index].len - period + 16)) {
        PyErr_SetString(PyExc_ValueError, "text too short");
        return -1;
    }
    for (int i = 0; kind == IB_GENERATE && i < j->txs; i++)
        if (size > j->tx[i]->slot_bytes) {
            ib_raise_oversize(0, (Py_ssize_t)size, j->tx[i]->slot_bytes);
            return -1;
        }
    if (row != Py_None) {
        Py_buffer *held = c->rows + index;
        if (PyObject_GetBuffer(row, held, PyBUF_WRITABLE) != 0) return -1;
        if (row_at % IB_LINE || row_at > (size_t)held->len || (size_t)held->len - row_at < IB_METRICS_ROW_BYTES) {
            PyErr_SetString(PyExc_ValueError, "row outside the region");
            return -1;
        }
        j->row = (uint8_t *)held->buf + row_at;
    }
    *call = (ib_call){j->rxs ? c->held[c->held_count - j->txs - j->rxs] : NULL, function, how, 0, NULL, 0, choices};
    if (how && !(call->pending = PyList_New(0))) return -1;
    j->context = call;
    if (choices != Py_None && !(j->runs = PyMem_Malloc(sizeof(ib_run) * IB_MOST_RUNS))) {
        PyErr_NoMemory();
        return -1;
    }
    ib_job_begin(j);
    return 0;
}

/* A step's choices to whoever asked for them. */
static void tell(ib_worker *w, ib_job *j) {
    ib_host *host = w->context;
    PyEval_RestoreThread(host->state);
    for (uint32_t i = 0; i < j->run_count && !PyErr_Occurred(); i++) {
        PyObject *result = PyObject_CallFunction(((ib_call *)j->context)->choices, "iK", (int)j->runs[i].which, (unsigned long long)j->runs[i].count);
        Py_XDECREF(result);
    }
    if (PyErr_Occurred()) __atomic_store_n(&j->rx[0]->stop, 1, __ATOMIC_RELAXED); /* its next step ends the work */
    host->state = PyEval_SaveThread();
}

/* The job has handed everything on: whoever reads what it wrote may come to an end too. */
static int close_streams(crew *c, ib_job *j) {
    for (int i = 0; i < c->held_count; i++)
        for (int k = 0; k < j->txs; k++)
            if (j->tx[k] == &c->held[i]->p) {
                PyObject *done = PyObject_CallMethod((PyObject *)c->held[i], "close_stream", NULL);
                if (!done) return -1;
                Py_DECREF(done);
            }
    return 0;
}

static PyObject *reason(crew *c, int code) {
    ib_job *j = c->w.jobs + c->w.at;
    if (code == IB_DEAD || code == IB_CORRUPT) {
        ib_handle *h = NULL;
        for (int i = 0; i < c->held_count; i++) {
            int mine = 0;
            for (int k = 0; k < j->rxs; k++) mine |= j->rx[k] == &c->held[i]->p;
            for (int k = 0; k < j->txs; k++) mine |= j->tx[k] == &c->held[i]->p;
            if (mine && (!h || c->held[i]->p.dead_peer)) h = c->held[i];
        }
        ib_raise_ended(h ? h : c->held[0], code);
    } else if (code == IB_TOO_LONG && !j->handle && j->failed_limit) {
        ib_raise_oversize(0, j->failed_length, j->failed_limit);
    } else {
        return NULL;
    }
    return ib_take_error();
}

static PyObject *run(crew *c) {
    int code;
    do {
        c->host.state = PyEval_SaveThread();
        code = ib_work(&c->w);
        PyEval_RestoreThread(c->host.state);
        if (PyErr_Occurred()) return NULL;
        if (code == IB_JOB_ENDED && close_streams(c, c->w.jobs + c->w.at) != 0) return NULL;
        if (code == IB_TICK && PyErr_CheckSignals() != 0) return NULL;
    } while (code == IB_TICK || code == IB_JOB_ENDED);
    ib_work_tick(&c->w, ib_clock_ns());
    if (code == IB_FINISHED) return Py_BuildValue("(iiKO)", code, -1, 0ull, Py_None);
    ib_job *j = c->w.jobs + c->w.at;
    int failure = code != IB_ABORTED_END && code != IB_STOPPED;
    uint64_t at = failure ? j->failed_at : j->rxs ? j->rx[0]->next : j->next;
    PyObject *error = c->host.error ? c->host.error : failure ? reason(c, code) : NULL;
    if (failure && !c->host.error && j->row) ((uint64_t *)(j->row + IB_METRICS_ROW_ERRORS))[0]++;
    c->host.error = NULL;
    PyObject *result = Py_BuildValue("(iiKO)", code, c->w.at, (unsigned long long)at, error ? error : Py_None);
    Py_XDECREF(error);
    return result;
}

PyObject *ib_host_work(PyObject *self, PyObject *args) {
    PyObject *jobs, *result = NULL;
    unsigned long long max_batch;
    int strategy;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!Ki", &PyTuple_Type, &jobs, &max_batch, &strategy)) return NULL;
    Py_ssize_t n = PyTuple_Size(jobs);
    crew *c = PyMem_Calloc(1, sizeof *c);
    size_t all = (size_t)(n ? n : 1);
    if (c) {
        c->jobs = PyMem_Calloc(all, sizeof *c->jobs);
        c->calls = PyMem_Calloc(all, sizeof *c->calls);
        c->rows = PyMem_Calloc(3 * all, sizeof *c->rows);
    }
    if (!c || !c->jobs || !c->calls || !c->rows) {
        PyErr_NoMemory();
        goto out;
    }
    c->params = c->rows + all;
    c->texts = c->params + all;
    c->w = (ib_worker){.jobs = c->jobs, .job_count = (int)n, .max_batch = max_batch, .strategy = strategy, .tell = tell, .context = &c->host};
    if (n < 1 || max_batch < 1 || max_batch > IB_MOST_BATCH) {
        PyErr_SetString(PyExc_ValueError, "no jobs, or batches of no size");
        goto out;
    }
    Py_ssize_t i = 0;
    while (i < n && describe(c, (int)i, PyTuple_GetItem(jobs, i)) == 0) i++;
    if (i == n) result = run(c);
out:
    if (c) {
        for (int k = 0; k < c->held_count; k++) c->held[k]->busy = 0;
        for (Py_ssize_t k = 0; c->rows && k < 3 * n; k++)
            if (c->rows[k].obj) PyBuffer_Release(c->rows + k);
        for (Py_ssize_t k = 0; k < n; k++) {
            if (c->calls) Py_XDECREF(c->calls[k].pending);
            if (c->jobs) PyMem_Free(c->jobs[k].runs);
        }
        PyMem_Free(c->rows);
        PyMem_Free(c->calls);
        PyMem_Free(c->jobs);
        PyMem_Free(c);
    }
    return result;
}
