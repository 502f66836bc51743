/*
 * What C reaches on this machine, asked line by line over standard input; each answer is a time in nanoseconds.
 *
 *   copy BLOCK TOTAL THREADS ORDER   memcpy of TOTAL bytes in blocks of BLOCK: from sources in random order (ORDER r) or
 *                                    one after the other (s), to destinations one after the other; warm memory
 *   cold TOTAL                       memcpy of TOTAL bytes onto memory that was never touched
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct share {
    const uint64_t *order;
    uint64_t first, end, block;
};

static char *source, *destination;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static char *fresh(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return at;
}

static void *copy_share(void *arg)
{
    const struct share *s = arg;

    for (uint64_t i = s->first; i < s->end; i++)
        memcpy(destination + i * s->block, source + s->order[i] * s->block, s->block);
    return NULL;
}

static uint64_t *order_of(uint64_t blocks, char how)
{
    uint64_t *order = malloc(blocks * sizeof(*order)), state = 88172645463325252u;

    for (uint64_t i = 0; i < blocks; i++)
        order[i] = i;
    for (uint64_t i = blocks - 1; how == 'r' && i > 0; i--) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        uint64_t j = state % (i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    return order;
}

static uint64_t copy(uint64_t block, uint64_t total, int threads, char how)
{
    uint64_t blocks = total / block, *order = order_of(blocks, how);
    struct share shares[2] = {{order, 0, threads == 2 ? blocks / 2 : blocks, block}, {order, blocks / 2, blocks, block}};
    pthread_t second;
    uint64_t start = now_ns(), took;

    if (threads == 2 && pthread_create(&second, NULL, copy_share, &shares[1]) != 0)
        exit(1);
    copy_share(&shares[0]);
    if (threads == 2)
        pthread_join(second, NULL);
    took = now_ns() - start;
    free(order);
    return took;
}

static uint64_t cold(uint64_t total)
{
    char *target = fresh(total);
    uint64_t start = now_ns(), took;

    memcpy(target, source, total);
    took = now_ns() - start;
    munmap(target, total);
    return took;
}

int main(int argc, char **argv)
{
    uint64_t bytes = argc == 2 ? strtoull(argv[1], NULL, 10) : 0, block, total;
    char line[128], order;
    int threads;

    if (bytes == 0)
        return 2;
    source = fresh(bytes);
    destination = fresh(bytes);
    memset(source, 1, bytes);
    memset(destination, 2, bytes);
    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "copy %lu %lu %d %c", &block, &total, &threads, &order) == 4)
            printf("%lu\n", copy(block, total, threads, order));
        else if (sscanf(line, "cold %lu", &total) == 1)
            printf("%lu\n", cold(total));
        else
            return 2;
        fflush(stdout);
    }
    return 0;
}
