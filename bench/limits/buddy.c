/*
 * What the buddy allocator takes in C, asked line by line over standard input; each answer is a time in nanoseconds, or
 * a zero where nothing is timed. bench/cases/buddy.ts does the same with the same lines.
 *
 * The objects of a mix are numbered from zero, and chunks have 4 KiB. All that is random comes from one xorshift32,
 * drawn before the clock starts.
 *
 *   new CHUNKS TRACE            a new space; with TRACE 1 every block that is placed goes into a digest
 *   fill FROM COUNT MIN MAX     allocates the objects from FROM on, of MIN to MAX chunks
 *   shuffle COUNT               gives the first COUNT objects other numbers
 *   free FROM COUNT             frees the objects from FROM on
 *   pairs OPS COUNT MIN MAX     frees one of the first COUNT objects, and allocates it anew; OPS times
 *   cleared OPS COUNT           the same with two chunks: every other freed as cleared, two of four wanted cleared
 *   crowd OPS COUNT             allocates or frees one of COUNT objects, with all that a request can say
 *   digest                      answers the digest
 */
#include <string.h>
#include <time.h>
#include "buddy-blocks.h"

#define CHUNK_SHIFT 12

struct request {
    uint64_t size_bytes, min_block_bytes, start_bytes, end_bytes;
    bool prefer_cleared;
};

static inline int32_t take_merged(struct buddy *b, int order, const struct terms *t)
{
    return merge_mixed(b, order, t) ? take(b, order, t) : NONE;
}

/* Whether a request could ever be met; then it is in chunks. */
static inline bool fill_terms(struct terms *t, const struct request *r, const struct buddy *b)
{
    uint64_t space = (uint64_t)b->chunk_count << CHUNK_SHIFT, below = (1u << CHUNK_SHIFT) - 1;
    uint64_t all = r->size_bytes | r->min_block_bytes | r->start_bytes | r->end_bytes;

    if ((all & below) || !r->size_bytes || !r->min_block_bytes || (r->min_block_bytes & (r->min_block_bytes - 1)))
        return false;
    if (r->start_bytes >= r->end_bytes || r->end_bytes > space || r->size_bytes > space - r->start_bytes)
        return false;
    if (r->start_bytes + r->size_bytes == r->end_bytes || r->min_block_bytes > space)
        return false;
    t->size = r->size_bytes >> CHUNK_SHIFT;
    t->start = r->start_bytes >> CHUNK_SHIFT;
    t->end = r->end_bytes >> CHUNK_SHIFT;
    t->min_order = __builtin_ctzll(r->min_block_bytes) - CHUNK_SHIFT;
    t->prefer_cleared = r->prefer_cleared;
    return round_up(t->size, 1 << t->min_order) <= b->chunk_count;
}

/* The handle of what was allocated, or NONE when there is no room, and then nothing has changed. */
static inline int32_t buddy_alloc(struct buddy *b, const struct request *r)
{
    int32_t remaining, excess, handle = NONE, tail = NONE;
    int order = b->order_max;
    struct terms t;

    if (!fill_terms(&t, r, b))
        die("a request that could never be met");
    remaining = round_up(t.size, 1 << t.min_order);
    excess = remaining - t.size;
    if (remaining > b->free_chunks)
        return NONE;
    b->forgotten_count = 0;
    while (remaining > 0) {
        int32_t block;

        if (highest_bit(remaining) < order)
            order = highest_bit(remaining);
        block = take(b, order, &t);
        while (block == NONE && order > t.min_order)
            block = take(b, --order, &t);
        if (block == NONE)
            block = take_merged(b, order, &t);
        if (block == NONE) {
            release_chain(b, handle, -1);
            recall(b);
            return NONE;
        }
        if (handle == NONE)
            handle = block;
        else
            b->links[tail] = block + 1;
        tail = block;
        remaining -= 1 << order;
    }
    seal(b, handle, tail);
    if (excess)
        shrink(b, tail, (1 << order) - excess);
    return handle;
}

static inline void buddy_free(struct buddy *b, int32_t handle, bool cleared)
{
    int kind = b->state[handle] & KIND_MASK;

    if (kind != ONLY && kind != FIRST)
        die("no allocation starts there");
    release_chain(b, handle, cleared);
}

static void tree_init(struct tree *t, int32_t chunk_count, int order_max)
{
    t->orders = 0;
    for (int order = 0; order <= order_max; order++)
        map_init(&t->maps[order], ((chunk_count - 1) >> order) + 1);
}

/* A space of chunks, all of them free and dirty. */
static void buddy_init(struct buddy *b, int32_t chunk_count)
{
    if (chunk_count < 1 || chunk_count > CHUNKS_MAX)
        die("a space that is too large or empty");
    b->chunk_count = b->free_chunks = chunk_count;
    b->cleared_chunks = 0;
    b->order_max = highest_bit(chunk_count);
    b->state = zeroed(chunk_count, sizeof(*b->state));
    b->links = zeroed(chunk_count, sizeof(*b->links));
    b->forgotten_count = 0;
    tree_init(&b->dirty, chunk_count, b->order_max);
    tree_init(&b->cleared, chunk_count, b->order_max);
    tree_init(&b->mixed, chunk_count, b->order_max);
    for (int32_t chunk = 0; chunk < chunk_count;) {
        int order = largest_order(chunk, chunk_count);

        list(b, chunk, order, false);
        chunk += 1 << order;
    }
}

static void tree_fini(struct tree *t, int order_max)
{
    for (int order = 0; order <= order_max; order++)
        free(t->maps[order].words);
}

static void buddy_fini(struct buddy *b)
{
    tree_fini(&b->dirty, b->order_max);
    tree_fini(&b->cleared, b->order_max);
    tree_fini(&b->mixed, b->order_max);
    free(b->state);
    free(b->links);
}

static struct buddy space;
static int32_t *handles;
static uint32_t random_state, digest;
static bool tracing;

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t draw(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % below;
}

/* `count` numbers from `min` to `max`. */
static int32_t *draws(uint32_t count, uint32_t min, uint32_t max)
{
    int32_t *numbers = zeroed(count, sizeof(*numbers));

    for (uint32_t i = 0; i < count; i++)
        numbers[i] = min + draw(max - min + 1);
    return numbers;
}

/* FNV-1a of whole numbers. */
static void note(uint32_t number)
{
    digest = (digest ^ number) * 16777619u;
}

static void trace(int32_t handle)
{
    note(handle);
    for (int32_t block = handle; block != NONE;) {
        uint8_t state = space.state[block];

        note(block);
        note(chunks_of(state));
        note(is_cleared(state));
        block = (state & KIND_MASK) == ONLY ? NONE : next_block(&space, block);
    }
}

static inline struct request request_of(int32_t chunks)
{
    return (struct request){
        .size_bytes = (uint64_t)chunks << CHUNK_SHIFT,
        .min_block_bytes = 1 << CHUNK_SHIFT,
        .end_bytes = (uint64_t)space.chunk_count << CHUNK_SHIFT,
    };
}

static inline int32_t place(const struct request *r)
{
    int32_t handle = buddy_alloc(&space, r);

    if (handle == NONE)
        die("no room");
    if (tracing)
        trace(handle);
    return handle;
}

static uint64_t renew(uint32_t chunks, uint32_t traced)
{
    if (handles) {
        buddy_fini(&space);
        free(handles);
    }
    buddy_init(&space, chunks);
    handles = zeroed(chunks, sizeof(*handles));
    memset(handles, 0xff, chunks * sizeof(*handles));
    random_state = 1;
    digest = 2166136261u;
    tracing = traced;
    return 0;
}

static uint64_t fill(uint32_t from, uint32_t count, uint32_t min, uint32_t max)
{
    int32_t *sizes = draws(count, min, max);
    uint64_t start = now_ns(), took;

    for (uint32_t i = 0; i < count; i++) {
        struct request r = request_of(sizes[i]);

        handles[from + i] = place(&r);
    }
    took = now_ns() - start;
    free(sizes);
    return took;
}

static uint64_t shuffle(uint32_t count)
{
    for (uint32_t last = count - 1; last > 0; last--) {
        uint32_t other = draw(last + 1);
        int32_t handle = handles[last];

        handles[last] = handles[other];
        handles[other] = handle;
    }
    return 0;
}

static uint64_t free_some(uint32_t from, uint32_t count)
{
    uint64_t start = now_ns();

    for (uint32_t i = from; i < from + count; i++)
        buddy_free(&space, handles[i], false);
    return now_ns() - start;
}

static uint64_t pairs(uint32_t ops, uint32_t count, uint32_t min, uint32_t max)
{
    int32_t *sizes = draws(ops, min, max), *victims = draws(ops, 0, count - 1);
    uint64_t start = now_ns(), took;

    for (uint32_t i = 0; i < ops; i++) {
        struct request r = request_of(sizes[i]);

        buddy_free(&space, handles[victims[i]], false);
        handles[victims[i]] = place(&r);
    }
    took = now_ns() - start;
    free(sizes);
    free(victims);
    return took;
}

static uint64_t cleared(uint32_t ops, uint32_t count)
{
    int32_t *victims = draws(ops, 0, count - 1);
    struct request r = request_of(2);
    uint64_t start = now_ns(), took;

    for (uint32_t i = 0; i < ops; i++) {
        r.prefer_cleared = (i & 2) == 0;
        buddy_free(&space, handles[victims[i]], (i & 1) == 0);
        handles[victims[i]] = place(&r);
    }
    took = now_ns() - start;
    free(victims);
    return took;
}

static uint64_t crowd(uint32_t ops, uint32_t count)
{
    for (uint32_t i = 0; i < ops; i++) {
        int32_t *handle = &handles[draw(count)];

        if (*handle == NONE) {
            struct request r = request_of(1 + draw(64));

            r.min_block_bytes <<= draw(4);
            r.prefer_cleared = draw(2);
            if (draw(2)) {
                uint64_t start = draw(space.chunk_count / 2), chunks = 65 + draw(space.chunk_count / 4);

                r.start_bytes = start << CHUNK_SHIFT;
                r.end_bytes = (start + chunks) << CHUNK_SHIFT;
            }
            *handle = buddy_alloc(&space, &r);
            if (*handle == NONE)
                note(NONE);
            else
                trace(*handle);
        } else {
            buddy_free(&space, *handle, draw(2));
            *handle = NONE;
        }
    }
    return 0;
}

int main(void)
{
    uint32_t a, b, c, d;
    char line[128];

    while (fgets(line, sizeof(line), stdin)) {
        uint64_t answer;

        if (sscanf(line, "new %u %u", &a, &b) == 2)
            answer = renew(a, b);
        else if (sscanf(line, "fill %u %u %u %u", &a, &b, &c, &d) == 4)
            answer = fill(a, b, c, d);
        else if (sscanf(line, "shuffle %u", &a) == 1)
            answer = shuffle(a);
        else if (sscanf(line, "free %u %u", &a, &b) == 2)
            answer = free_some(a, b);
        else if (sscanf(line, "pairs %u %u %u %u", &a, &b, &c, &d) == 4)
            answer = pairs(a, b, c, d);
        else if (sscanf(line, "cleared %u %u", &a, &b) == 2)
            answer = cleared(a, b);
        else if (sscanf(line, "crowd %u %u", &a, &b) == 2)
            answer = crowd(a, b);
        else if (strcmp(line, "digest\n") == 0)
            answer = digest;
        else
            return 2;
        printf("%lu\n", answer);
        fflush(stdout);
    }
    return 0;
}
