/* The limit: the same slots and cursors, in plain C, between processes, with nothing else around them.
 * limit stream CAPACITY BYTES BATCH MESSAGES MASK...  -> ns for all messages through so many stages; bit 0 of a
 *                                                       stage's mask: behind the producer, bit k: behind stage k - 1
 * limit pingpong ROUNDS                               -> p50 p99 p99.9 in ns, spinning */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct { uint64_t value; uint8_t pad[56]; } cell;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static void relax(unsigned *round) {
    if (++*round < 64) __builtin_ia32_pause();
    else sched_yield();
}
static uint64_t wait_for(cell *c, uint64_t past) {
    unsigned round = 0;
    uint64_t v;
    while ((v = __atomic_load_n(&c->value, __ATOMIC_ACQUIRE)) <= past) relax(&round);
    return v;
}
/* How far all cells of the mask are, past `past`. */
static uint64_t wait_for_all(cell *cells, unsigned mask, uint64_t past) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; mask >> i; i++) {
        if (!(mask >> i & 1)) continue;
        uint64_t v = wait_for(&cells[i], past);
        if (v < least) least = v;
    }
    return least;
}
static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
    cell *cells = mmap(NULL, 1 << 26, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint8_t *slots = (uint8_t *)(cells + 8);
    if (argc > 2 && !strcmp(argv[1], "pingpong")) {
        uint64_t rounds = strtoull(argv[2], NULL, 10);
        if (fork() == 0) {
            for (uint64_t i = 1; i <= rounds; i++) {
                while (__atomic_load_n(&cells[0].value, __ATOMIC_ACQUIRE) < i) __builtin_ia32_pause();
                __atomic_store_n(&cells[1].value, i, __ATOMIC_RELEASE);
            }
            _exit(0);
        }
        uint64_t *took = malloc(rounds * 8);
        for (uint64_t i = 1; i <= rounds; i++) {
            uint64_t start = now();
            __atomic_store_n(&cells[0].value, i, __ATOMIC_RELEASE);
            while (__atomic_load_n(&cells[1].value, __ATOMIC_ACQUIRE) < i) __builtin_ia32_pause();
            took[i - 1] = now() - start;
        }
        wait(NULL);
        qsort(took, rounds, 8, compare);
        printf("%lu %lu %lu\n", took[rounds / 2], took[rounds * 99 / 100], took[rounds * 999 / 1000]);
        return 0;
    }
    uint64_t capacity = strtoull(argv[2], NULL, 10), bytes = strtoull(argv[3], NULL, 10);
    uint64_t batch = strtoull(argv[4], NULL, 10), messages = strtoull(argv[5], NULL, 10);
    int stages = argc - 6;
    unsigned masks[8] = {0}, depended = 1;
    for (int i = 0; i < stages && i < 8; i++) depended |= masks[i] = (unsigned)atoi(argv[6 + i]);
    unsigned last = ((2u << stages) - 1) & ~depended;
    uint64_t stride = (16 + bytes + 15) / 16 * 16;
    uint8_t *source = malloc(batch * bytes), *sink = malloc(batch * bytes);
    memset(source, 7, batch * bytes);
    for (int stage = 0; stage < stages; stage++) {
        if (fork()) continue;
        uint64_t next = 0, sum = 0;
        while (next < messages) {
            uint64_t end = wait_for_all(cells, masks[stage], next);
            if (end > next + batch) end = next + batch;
            for (uint64_t s = next; s < end; s++) {
                uint8_t *slot = slots + (s & (capacity - 1)) * stride;
                if (last >> (stage + 1) & 1) memcpy(sink + (s - next) * bytes, slot + 16, bytes);
                else sum += *(uint16_t *)(slot + 4);
            }
            next = end;
            __atomic_store_n(&cells[stage + 1].value, next, __ATOMIC_RELEASE);
        }
        _exit(sum == 1);
    }
    uint64_t next = 0, gate = 0, start = now();
    while (next < messages) {
        if (next + batch > gate + capacity) {
            gate = wait_for_all(cells, last, next + batch - capacity - 1);
            continue;
        }
        for (uint64_t i = 0; i < batch; i++) {
            uint8_t *slot = slots + ((next + i) & (capacity - 1)) * stride;
            *(uint32_t *)slot = (uint32_t)bytes;
            *(uint32_t *)(slot + 4) = 0;
            *(uint64_t *)(slot + 8) = next + i;
            memcpy(slot + 16, source + i * bytes, bytes);
        }
        next += batch;
        __atomic_store_n(&cells[0].value, next, __ATOMIC_RELEASE);
    }
    while (wait(NULL) > 0) {}
    printf("%lu\n", now() - start);
    return 0;
}
