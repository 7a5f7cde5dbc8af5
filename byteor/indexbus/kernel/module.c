/* The extension module: two types, the clock, CRC-32C. */
#include "consumer.h"

#include <pthread.h>

static PyObject *clock_ns(PyObject *self, PyObject *ignored) {
    (void)self;
    (void)ignored;
    return PyLong_FromUnsignedLongLong(ib_clock_ns());
}

static PyObject *crc32c(PyObject *self, PyObject *args) {
    Py_buffer data;
    unsigned int crc = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*|I", &data, &crc)) return NULL;
    crc = ib_crc32c(crc, data.buf, (size_t)data.len);
    PyBuffer_Release(&data);
    return PyLong_FromUnsignedLong(crc);
}

static PyObject *install_sigbus(PyObject *self, PyObject *ignored) {
    (void)self;
    (void)ignored;
    ib_install_sigbus();
    Py_RETURN_NONE;
}

/* For the slow path of Python code: wake everybody who waits on the cell at `offset`. */
static PyObject *wake(PyObject *self, PyObject *args) {
    Py_buffer map;
    unsigned long long at;
    (void)self;
    if (!PyArg_ParseTuple(args, "w*K", &map, &at)) return NULL;
    int inside = at % IB_LINE == 0 && at < (size_t)map.len && (size_t)map.len - at >= IB_LINE;
    if (inside) ib_wake((ib_cell *)((uint8_t *)map.buf + at));
    else PyErr_SetString(PyExc_ValueError, "cell outside the region");
    PyBuffer_Release(&map);
    if (!inside) return NULL;
    Py_RETURN_NONE;
}

int ib_inside(const Py_buffer *map, unsigned long long at, unsigned long long bytes) {
    if (at % 8 == 0 && at <= (size_t)map->len && bytes <= (size_t)map->len - at) return 1;
    PyErr_SetString(PyExc_ValueError, "outside the region");
    return 0;
}

static PyObject *state_write(PyObject *self, PyObject *args) {
    Py_buffer map, data;
    unsigned long long at;
    (void)self;
    if (!PyArg_ParseTuple(args, "w*Ky*", &map, &at, &data)) return NULL;
    int ok = ib_inside(&map, at, 2 * IB_LINE + (unsigned long long)data.len);
    if (ok) ib_state_write((uint8_t *)map.buf + at, data.buf, (uint32_t)data.len);
    PyBuffer_Release(&data);
    PyBuffer_Release(&map);
    if (!ok) return NULL;
    Py_RETURN_NONE;
}

static PyObject *state_read(PyObject *self, PyObject *args) {
    Py_buffer map;
    unsigned long long at;
    unsigned int room, length = 0;
    int tries, code = IB_TIMEOUT;
    uint64_t version = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "w*KIi", &map, &at, &room, &tries)) return NULL;
    PyObject *result = NULL;
    uint8_t *copy = ib_inside(&map, at, 2 * IB_LINE + (unsigned long long)room) ? PyMem_Malloc(room + 1) : NULL;
    if (copy) {
        code = ib_state_read((uint8_t *)map.buf + at, room, copy, &length, &version, tries);
        result = Py_BuildValue("(iKy#)", code, (unsigned long long)version, copy, (Py_ssize_t)(code == IB_OK ? length : 0));
        PyMem_Free(copy);
    } else if (!PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    PyBuffer_Release(&map);
    return result;
}

/* Where CPython keeps the bytes of a bytes object. The limited API hides it behind a call that costs as much as the
 * copy; it is looked at once, and where it lies elsewhere nobody takes the short way. */
static void ready(void) {
    ib_handle h = {.open = 1, .plain = 1, .forks = ib_forks};
    PyObject *probe = PyBytes_FromStringAndSize("probe", 5);
    ib_ready = probe && PyBytes_AsString(probe) == (char *)probe + IB_BYTES_AT ? h.ready : 0;
    Py_XDECREF(probe);
}

static void in_child(void) {
    ib_handle h = {.ready = ib_ready};
    h.forks = ++ib_forks;
    if (ib_ready) ib_ready = h.ready;
}

static PyMethodDef functions[] = {
    {"state_write", state_write, METH_VARARGS, "state_write(mapping, at, data)"},
    {"state_read", state_read, METH_VARARGS, "state_read(mapping, at, room, tries) -> (code, version, bytes)"},
    {"populate", ib_py_populate, METH_VARARGS, "populate(mapping): fault every page in, for writing, without the GIL."},
    {"record_write", ib_py_record_write, METH_VARARGS, "record_write(mapping, at, data) -> bytes of the record"},
    {"record_sizes", ib_py_record_sizes, METH_VARARGS, "record_sizes(messages, first, head, room, limit) -> (messages that fit, bytes)"},
    {"record_write_many", ib_py_record_write_many, METH_VARARGS,
     "record_write_many(mapping, at, end, messages, first, count, heads, head, counter) -> (messages written, at)"},
    {"record_join", ib_py_record_join, METH_VARARGS, "record_join(mapping, at, room, head, parts, table) -> bytes of the record, 0 without room"},
    {"sync_range", ib_py_sync_range, METH_VARARGS, "sync_range(mapping, from, to): those bytes are on the disk when it returns."},
    {"record_read", ib_py_record_read, METH_VARARGS, "record_read(data, at, position, most) -> ([(position, payload)], bytes, corrupt)"},
    {"work", ib_host_work, METH_VARARGS, "work(jobs, max_batch, wait) -> (code, job, sequence, error)"},
    {"clock_ns", clock_ns, METH_NOARGS, "CLOCK_MONOTONIC in ns."},
    {"crc32c", crc32c, METH_VARARGS, "crc32c(data, crc=0) -> int"},
    {"install_sigbus", install_sigbus, METH_NOARGS, "A truncated region ends the process with exit code 11 and a sentence."},
    {"wake", wake, METH_VARARGS, "wake(mapping, offset)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "byteor.indexbus._native", "The transport's C kernel.", -1, functions, NULL, NULL, NULL, NULL};

static PyTypeObject *add_type(PyObject *module, const char *name, PyType_Spec *spec) {
    PyObject *type = PyType_FromSpec(spec);
    if (type && PyModule_AddObjectRef(module, name, type) != 0) Py_CLEAR(type);
    return (PyTypeObject *)type; /* kept for as long as the process: work() tells handles by their types */
}

/* Where this interpreter keeps a bytes object's payload and a list's items, see consumer.h. */
static int find_insides(void) {
    PyObject *some = PyBytes_FromStringAndSize("some", 4), *list = PyList_New(2);
    int found = some && list;
    if (found) {
        ib_bytes_at = (size_t)(PyBytes_AsString(some) - (char *)some);
        PyList_SetItem(list, 0, Py_NewRef(some));
        PyList_SetItem(list, 1, Py_NewRef(list)); /* a pair that stands nowhere else */
        /* Not so sure that it is a pointer at all of versions that nobody has seen yet. */
        PyObject **items = Py_Version < 0x030F0000 ? *(PyObject ***)((char *)list + sizeof(PyVarObject)) : NULL;
        ib_items_at = items && items[0] == some && items[1] == list ? sizeof(PyVarObject) : 0;
        PyList_SetItem(list, 1, NULL);
    }
    Py_XDECREF(list);
    Py_XDECREF(some);
    return found ? 0 : -1;
}

PyMODINIT_FUNC PyInit__native(void) {
    PyObject *module = PyModule_Create(&definition);
    if (!module) return NULL;
    static int told;
    if (!told++) pthread_atfork(NULL, NULL, in_child);
    ready();
    if (find_insides() != 0) {
        Py_DECREF(module);
        return NULL;
    }
    PyObject *names = PyTuple_New(ib_stage_count);
    for (int i = 0; names && i < ib_stage_count; i++) PyTuple_SetItem(names, i, PyUnicode_FromString(ib_stages[i].name));
    if (!names || PyModule_AddObjectRef(module, "NATIVE_STAGES", names) != 0 || !(ib_producer_type = add_type(module, "Producer", &ib_producer_spec)) ||
        !(ib_consumer_type = add_type(module, "Consumer", &ib_consumer_spec)))
        Py_CLEAR(module);
    Py_XDECREF(names);
    return module;
}
