/* Overwrite-latest: a sequence lock around one value. Layout: cell (value: odd while writing), a line with the
 * length, the payload. */
#include "core.h"

#include <string.h>

void ib_state_write(uint8_t *at, const void *data, uint32_t length) {
    uint64_t *lock = (uint64_t *)at;
    uint64_t odd = __atomic_load_n(lock, __ATOMIC_RELAXED) | 1; /* already odd: the writer before us died here */
    __atomic_store_n(lock, odd, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE); /* odd is seen before any byte of the new value */
    __atomic_store_n((uint32_t *)(at + IB_LINE), length, __ATOMIC_RELAXED);
    memcpy(at + 2 * IB_LINE, data, length);
    __atomic_store_n(lock, odd + 1, __ATOMIC_RELEASE);
}

/* Copies at most `room` bytes; IB_OK, IB_TIMEOUT (a writer was always in between) or IB_CORRUPT. */
int ib_state_read(const uint8_t *at, uint32_t room, void *out, uint32_t *length, uint64_t *version, int tries) {
    const uint64_t *lock = (const uint64_t *)at;
    while (tries-- > 0) {
        uint64_t before = ib_load(lock);
        if (!(before & 1)) {
            uint32_t n = __atomic_load_n((const uint32_t *)(at + IB_LINE), __ATOMIC_RELAXED);
            int fits = n <= room;
            if (fits) memcpy(out, at + 2 * IB_LINE, n);
            __atomic_thread_fence(__ATOMIC_ACQUIRE); /* every byte is read before the lock is read again */
            if (__atomic_load_n(lock, __ATOMIC_RELAXED) == before) {
                *length = n;
                *version = before;
                return fits ? IB_OK : IB_CORRUPT;
            }
        }
        ib_pause();
    }
    return IB_TIMEOUT;
}
