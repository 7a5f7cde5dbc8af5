/* The journal's records as functions of a mapping: one record, a batch of them, reading a piece of a journal. */
#include "binding.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define MOST_HEAD 256

static int bytes_of(PyObject *object, Py_buffer *view) {
    view->obj = NULL;
    if (IB_LIKELY(PyBytes_CheckExact(object))) return PyBytes_AsStringAndSize(object, (char **)&view->buf, &view->len);
    return PyObject_GetBuffer(object, view, PyBUF_SIMPLE);
}

static PyObject *item(PyObject *messages, Py_ssize_t i) {
    return PyList_CheckExact(messages) ? PyList_GetItem(messages, i) : PyTuple_GetItem(messages, i);
}

static Py_ssize_t count_of(PyObject *messages) {
    if (PyList_CheckExact(messages)) return PyList_Size(messages);
    if (PyTuple_CheckExact(messages)) return PyTuple_Size(messages);
    PyErr_SetString(PyExc_TypeError, "messages are a list or a tuple");
    return -1;
}

PyObject *ib_py_populate(PyObject *self, PyObject *args) {
    Py_buffer map;
    (void)self;
    if (!PyArg_ParseTuple(args, "w*", &map)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    if (madvise(map.buf, (size_t)map.len, MADV_POPULATE_WRITE) != 0) /* before Linux 5.14 */
        for (Py_ssize_t at = 0; at < map.len; at += 4096) __atomic_fetch_or((uint8_t *)map.buf + at, 0, __ATOMIC_RELAXED);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&map);
    Py_RETURN_NONE;
}

PyObject *ib_py_record_write(PyObject *self, PyObject *args) {
    Py_buffer map, data;
    unsigned long long at, size = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "w*Ky*", &map, &at, &data)) return NULL;
    if (ib_inside(&map, at, ib_record_bytes((uint64_t)data.len)))
        size = ib_record_write((uint8_t *)map.buf + at, NULL, 0, data.buf, (uint32_t)data.len);
    PyBuffer_Release(&data);
    PyBuffer_Release(&map);
    return size ? PyLong_FromUnsignedLongLong(size) : NULL;
}

PyObject *ib_py_record_sizes(PyObject *self, PyObject *args) {
    PyObject *messages;
    Py_ssize_t first, head;
    unsigned long long room, limit, bytes = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OnnKK", &messages, &first, &head, &room, &limit)) return NULL;
    Py_ssize_t n = count_of(messages), fit = 0;
    if (n < 0) return NULL;
    int full = 0;
    for (Py_ssize_t i = first < 0 ? 0 : first; i < n; i++) {
        Py_buffer view;
        if (bytes_of(item(messages, i), &view) != 0) return NULL;
        Py_ssize_t length = view.len;
        if (view.obj) PyBuffer_Release(&view);
        if ((unsigned long long)(length + head) > limit) return ib_raise_oversize(i, length + head, (uint32_t)limit);
        uint64_t size = ib_record_bytes((uint64_t)(length + head));
        full = full || bytes + size > room;
        if (full) continue; /* only looked at for its length */
        bytes += size;
        fit++;
    }
    return Py_BuildValue("(nK)", fit, bytes);
}

PyObject *ib_py_record_write_many(PyObject *self, PyObject *args) {
    Py_buffer map, heads;
    PyObject *messages, *result = NULL;
    unsigned long long at, end;
    Py_ssize_t first, count, head, counter, done = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "w*KKOnny*nn", &map, &at, &end, &messages, &first, &count, &heads, &head, &counter)) return NULL;
    uint8_t one[MOST_HEAD] = {0};
    uint64_t base = 0;
    int shared = heads.len == head; /* else one for each message */
    Py_ssize_t n = count_of(messages);
    if (n < 0) goto out;
    if (head < 0 || head > MOST_HEAD || (counter >= 0 && (!shared || counter + 8 > head)) || first < 0 || count < 0 || count > n - first ||
        (!shared && heads.len / (head ? head : 1) < n)) {
        PyErr_SetString(PyExc_ValueError, "a prefix is at most 256 bytes: one for all messages, or one for each");
        goto out;
    }
    if (!ib_inside(&map, at, 0) || end < at || !ib_inside(&map, at, end - at)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "outside the region");
        goto out;
    }
    if (shared) memcpy(one, heads.buf, (size_t)head);
    if (counter >= 0) memcpy(&base, one + counter, 8);
    for (; done < count; done++) {
        Py_buffer view;
        if (bytes_of(item(messages, first + done), &view) != 0) goto out;
        if (ib_record_bytes((uint64_t)(view.len + head)) <= end - at) {
            uint64_t number = base + (uint64_t)(first + done);
            if (counter >= 0) memcpy(one + counter, &number, 8);
            const uint8_t *from = shared ? one : (const uint8_t *)heads.buf + (first + done) * head;
            at += ib_record_write((uint8_t *)map.buf + at, from, (uint32_t)head, view.buf, (uint32_t)view.len);
        } else {
            count = done; /* a list that somebody changed meanwhile */
        }
        if (view.obj) PyBuffer_Release(&view);
        if (count == done) break;
    }
    result = Py_BuildValue("(nK)", done, at);
out:
    PyBuffer_Release(&heads);
    PyBuffer_Release(&map);
    return result;
}

/* A record of many parts: what stands in front, with `table` a u32 length of each part, then the parts. 0: no room. */
PyObject *ib_py_record_join(PyObject *self, PyObject *args) {
    Py_buffer map, head, view;
    PyObject *parts, *result = NULL;
    unsigned long long at, room;
    int table;
    (void)self;
    if (!PyArg_ParseTuple(args, "w*KKy*Op", &map, &at, &room, &head, &parts, &table)) return NULL;
    Py_ssize_t n = count_of(parts);
    uint64_t total = n < 0 ? 0 : (uint64_t)head.len + (table ? 4 * (uint64_t)n : 0);
    if (n < 0 || !ib_inside(&map, at, room)) goto out;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (bytes_of(item(parts, i), &view) != 0) goto out;
        total += (uint64_t)view.len;
        if (view.obj) PyBuffer_Release(&view);
    }
    if (total > UINT32_MAX || ib_record_bytes(total) > room) {
        result = PyLong_FromLong(0);
        goto out;
    }
    uint8_t *record = (uint8_t *)map.buf + at, *end = record + 8 + total;
    uint8_t *length = record + 8 + head.len, *to = length + (table ? 4 * n : 0);
    __atomic_store_n((uint32_t *)record + 1, 0, __ATOMIC_RELAXED);
    __atomic_store_n((uint32_t *)record, (uint32_t)total, __ATOMIC_RELEASE);
    memcpy(record + 8, head.buf, (size_t)head.len);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (bytes_of(item(parts, i), &view) != 0) goto out;
        uint32_t size = (uint32_t)view.len;
        int fits = view.len <= end - to;
        if (fits) ib_copy(to, view.buf, (size_t)view.len);
        if (view.obj) PyBuffer_Release(&view);
        if (!fits) break;
        if (table) memcpy(length + 4 * i, &size, 4);
        to += size;
    }
    if (to != end || count_of(parts) != n) { /* never committed, and written over by the next */
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "somebody changed the parts meanwhile");
        goto out;
    }
    uint32_t crc = ib_crc32c(0, record + 8, (size_t)total);
    memcpy(end, &crc, 4);
    __atomic_store_n((uint32_t *)record + 1, IB_RECORD_COMMITTED, __ATOMIC_RELEASE);
    result = PyLong_FromUnsignedLongLong(ib_record_bytes(total));
out:
    PyBuffer_Release(&head);
    PyBuffer_Release(&map);
    return result;
}

/* Only these bytes, and not the whole file: a page that the disk has got faults when it is written again. */
PyObject *ib_py_sync_range(PyObject *self, PyObject *args) {
    Py_buffer map;
    unsigned long long from, to;
    int failed;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*KK", &map, &from, &to)) return NULL;
    unsigned long long page = (unsigned long long)sysconf(_SC_PAGESIZE);
    from -= from % page;
    if (to > (unsigned long long)map.len) to = (unsigned long long)map.len;
    Py_BEGIN_ALLOW_THREADS
    failed = from < to && msync((uint8_t *)map.buf + from, (size_t)(to - from), MS_SYNC) != 0;
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&map);
    if (failed) return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

PyObject *ib_py_record_read(PyObject *self, PyObject *args) {
    Py_buffer data;
    unsigned long long position;
    Py_ssize_t from_at, most;
    int code = IB_OK;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*nKn", &data, &from_at, &position, &most)) return NULL;
    Py_ssize_t at = from_at < 0 ? data.len : from_at;
    PyObject *records = PyList_New(0);
    while (records && code != IB_CORRUPT && at < data.len) {
        uint32_t length;
        uint64_t size;
        const uint8_t *from = (const uint8_t *)data.buf + at;
        code = ib_record_look(from, (uint64_t)(data.len - at), &length, &size);
        if (code != IB_OK && code != IB_RECORD_IS_PADDING) break;
        if (code == IB_OK && most >= 0) {
            if (PyList_Size(records) >= most) break;
            PyObject *one = Py_BuildValue("(Ky#)", position + (uint64_t)(at - from_at), from + 8, (Py_ssize_t)length);
            if (!one || PyList_Append(records, one) != 0) Py_CLEAR(records);
            Py_XDECREF(one);
        }
        at += (Py_ssize_t)size;
    }
    PyBuffer_Release(&data);
    return records ? Py_BuildValue("(NnO)", records, from_at < 0 ? 0 : at - from_at, code == IB_CORRUPT ? Py_True : Py_False) : NULL;
}
