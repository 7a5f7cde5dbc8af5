/* The extension module: two types, the clock, CRC-32C. */
#include "binding.h"

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

static PyMethodDef functions[] = {
    {"clock_ns", clock_ns, METH_NOARGS, "CLOCK_MONOTONIC in ns."},
    {"crc32c", crc32c, METH_VARARGS, "crc32c(data, crc=0) -> int"},
    {"install_sigbus", install_sigbus, METH_NOARGS, "A truncated region ends the process with exit code 11 and a sentence."},
    {"wake", wake, METH_VARARGS, "wake(mapping, offset)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "byteor.indexbus._native", "The transport's C kernel.", -1, functions, NULL, NULL, NULL, NULL};

static int add_type(PyObject *module, const char *name, PyType_Spec *spec) {
    PyObject *type = PyType_FromSpec(spec);
    if (!type) return -1;
    int failed = PyModule_AddObjectRef(module, name, type);
    Py_DECREF(type);
    return failed;
}

PyMODINIT_FUNC PyInit__native(void) {
    PyObject *module = PyModule_Create(&definition);
    if (!module) return NULL;
    PyObject *names = PyTuple_New(ib_stage_count);
    for (int i = 0; names && i < ib_stage_count; i++) PyTuple_SetItem(names, i, PyUnicode_FromString(ib_stages[i].name));
    if (!names || PyModule_AddObjectRef(module, "NATIVE_STAGES", names) != 0 || add_type(module, "Producer", &ib_producer_spec) != 0 ||
        add_type(module, "Consumer", &ib_consumer_spec) != 0)
        Py_CLEAR(module);
    Py_XDECREF(names);
    return module;
}
