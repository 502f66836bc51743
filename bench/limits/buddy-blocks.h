/*
 * Blocks of a space of chunks in C: splitting, merging and finding, as src/device/memory/buddy/buddy-blocks.ts does it, with
 * the same bytes of state, the same links and the same bitmaps with summaries. Words have 64 bits here, as C would have
 * them. What no mix of buddy.c asks for is left out: top-down, ranges of exactly the size, neighbours side by side.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define likely(x) __builtin_expect(!!(x), 1)

#define NONE (-1)
#define CHUNKS_MAX (1 << 30)
#define ORDERS_MAX 31
#define LEVELS_MAX 5
#define FORGOTTEN_MAX 65536

/* A set of small integers: bit i of a summary says that word i below is not empty. */
struct map {
    uint64_t *words;
    uint32_t bases[LEVELS_MAX + 1];
    int root;
    int32_t floor; /* no member is lower */
};

struct tree {
    struct map maps[ORDERS_MAX];
    uint32_t orders; /* bit k: there is a block of order k */
};

/* The byte of the first chunk of a block: order plus one, whether it is cleared, whose it is. Inside a block: zero. */
enum { INSIDE = 0, ORDER_FIELD = 0x1f, CLEARED = 0x20, KIND_MASK = 0xc0 };
enum { FREE = 0x00, ONLY = 0x40, FIRST = 0x80, FURTHER = 0xc0 };

struct forgotten {
    int32_t chunk;
    int order;
};

struct buddy {
    int32_t chunk_count, free_chunks, cleared_chunks;
    int order_max;
    uint8_t *state;
    int32_t *links; /* the next block of the allocation plus one */
    struct tree dirty, cleared, mixed;
    struct forgotten forgotten[FORGOTTEN_MAX]; /* cleared blocks that the allocation in progress made dirty */
    size_t forgotten_count;
};

/* A request in chunks. */
struct terms {
    int32_t size, start, end;
    int min_order;
    bool prefer_cleared;
};

static void die(const char *why)
{
    fprintf(stderr, "buddy: %s\n", why);
    exit(1);
}

static void *zeroed(size_t count, size_t bytes)
{
    void *at = calloc(count, bytes);

    if (!at)
        die("no memory");
    return at;
}

static inline int lowest_bit(uint32_t word) { return __builtin_ctz(word); }
static inline int highest_bit(uint32_t word) { return 31 - __builtin_clz(word); }
static inline int32_t round_up(int32_t value, int32_t power) { return (value + power - 1) & -power; }

static void map_init(struct map *m, uint32_t length)
{
    uint32_t words = length;

    m->root = -1;
    m->floor = 0;
    m->bases[0] = 0;
    do {
        words = (words + 63) / 64;
        m->root++;
        m->bases[m->root + 1] = m->bases[m->root] + words;
    } while (words > 1);
    m->words = zeroed(m->bases[m->root + 1], sizeof(*m->words));
}

static inline bool map_empty(const struct map *m) { return m->words[m->bases[m->root]] == 0; }
static inline bool map_has(const struct map *m, int32_t i) { return m->words[i >> 6] >> (i & 63) & 1; }

static inline void map_add(struct map *m, int32_t i)
{
    uint32_t bit = i;

    if (i < m->floor)
        m->floor = i;
    for (int level = 0; level <= m->root; level++, bit >>= 6) {
        uint64_t *word = &m->words[m->bases[level] + (bit >> 6)], before = *word;

        *word = before | 1ull << (bit & 63);
        if (before)
            return;
    }
}

static inline void map_remove(struct map *m, int32_t i)
{
    uint32_t bit = i;

    for (int level = 0; level <= m->root; level++, bit >>= 6)
        if (m->words[m->bases[level] + (bit >> 6)] &= ~(1ull << (bit & 63)))
            return;
}

/* The lowest member at or above bit `from` of `level`. */
static int32_t map_climb(const struct map *m, int level, uint32_t from)
{
    for (uint32_t bit = from; level <= m->root; level++, bit = (bit >> 6) + 1) {
        uint32_t at = m->bases[level] + (bit >> 6);
        uint64_t members;

        if (at >= m->bases[level + 1])
            return NONE;
        members = m->words[at] & ~0ull << (bit & 63);
        if (!members)
            continue;
        bit = (bit & ~63u) + __builtin_ctzll(members);
        while (level-- > 0)
            bit = (bit << 6) + __builtin_ctzll(m->words[m->bases[level] + bit]);
        return bit;
    }
    return NONE;
}

/* The lowest member at or above `from`. */
static inline int32_t map_lowest(struct map *m, int32_t from)
{
    uint64_t members;
    int32_t found;

    if (from > m->floor)
        return map_climb(m, 0, from);
    members = m->words[m->floor >> 6];
    if (likely(members))
        return (m->floor & ~63) + __builtin_ctzll(members);
    found = map_climb(m, m->root, 0);
    if (found != NONE)
        m->floor = found;
    return found;
}

static inline bool tree_has(const struct tree *t, int32_t chunk, int order)
{
    return map_has(&t->maps[order], chunk >> order);
}

static inline void tree_add(struct tree *t, int32_t chunk, int order)
{
    map_add(&t->maps[order], chunk >> order);
    t->orders |= 1u << order;
}

static inline void tree_remove(struct tree *t, int32_t chunk, int order)
{
    map_remove(&t->maps[order], chunk >> order);
    if (map_empty(&t->maps[order]))
        t->orders &= ~(1u << order);
}

/* The lowest of the smallest blocks to cut one of `order` from, which starts between `first` and `last`. */
static inline int32_t best_fit(struct tree *t, int order, int32_t first, int32_t last)
{
    for (uint32_t orders = t->orders & ~0u << order; orders; orders &= orders - 1) {
        int each = lowest_bit(orders);
        int32_t found = map_lowest(&t->maps[each], first >> each);

        if (found != NONE && found << each <= last)
            return found << each;
    }
    return NONE;
}

static inline uint8_t state_of(int kind, int order, bool cleared)
{
    return kind | (order + 1) | (cleared ? CLEARED : 0);
}

static inline bool is_cleared(uint8_t state) { return state & CLEARED; }
static inline int order_of(uint8_t state) { return (state & ORDER_FIELD) - 1; }
static inline int32_t chunks_of(uint8_t state) { return 1 << order_of(state); }
static inline int32_t next_block(const struct buddy *b, int32_t chunk) { return b->links[chunk] - 1; }

static inline void list(struct buddy *b, int32_t chunk, int order, bool cleared)
{
    b->state[chunk] = state_of(FREE, order, cleared);
    tree_add(cleared ? &b->cleared : &b->dirty, chunk, order);
}

static inline void unlist(struct buddy *b, int32_t chunk, uint8_t state)
{
    int order = order_of(state);

    b->state[chunk] = INSIDE;
    tree_remove(is_cleared(state) ? &b->cleared : &b->dirty, chunk, order);
    if (!b->mixed.orders)
        return;
    for (int above = order + 1; above <= b->order_max && tree_has(&b->mixed, chunk, above); above++)
        tree_remove(&b->mixed, chunk, above);
}

static inline int largest_order(int32_t chunk, int32_t end)
{
    int fits = highest_bit(end - chunk);

    return chunk && lowest_bit(chunk) < fits ? lowest_bit(chunk) : fits;
}

/* Notes the places around a free block that are wholly free with it, but part cleared and part dirty. */
static void note_mixed(struct buddy *b, int32_t place, int order)
{
    for (; order < b->order_max; order++) {
        int32_t other = place ^ 1 << order;

        if (other >= b->chunk_count)
            return;
        if ((b->state[other] & ~CLEARED) != state_of(FREE, order, false) && !tree_has(&b->mixed, other, order))
            return;
        place &= other;
        tree_add(&b->mixed, place, order + 1);
    }
}

static inline void release(struct buddy *b, int32_t block, int order, bool cleared)
{
    struct tree *tree = cleared ? &b->cleared : &b->dirty;

    b->free_chunks += 1 << order;
    if (cleared)
        b->cleared_chunks += 1 << order;
    b->state[block] = INSIDE;
    for (;; order++) {
        int32_t other = block ^ 1 << order;

        if (other >= b->chunk_count || b->state[other] != state_of(FREE, order, cleared))
            break;
        tree_remove(tree, other, order);
        b->state[other] = INSIDE;
        block &= other;
    }
    list(b, block, order, cleared);
    if (b->cleared_chunks)
        note_mixed(b, block, order);
}

/* Splits a free block until the one of `order` at `chunk` stands alone, unlisted. */
static inline void cut(struct buddy *b, int32_t block, int32_t chunk, int order)
{
    uint8_t state = b->state[block];

    unlist(b, block, state);
    for (int half = order_of(state) - 1; half >= order; half--) {
        int32_t middle = block + (1 << half);

        list(b, chunk < middle ? middle : block, half, is_cleared(state));
        if (chunk >= middle)
            block = middle;
    }
}

static inline int32_t take(struct buddy *b, int order, const struct terms *t)
{
    int32_t size = 1 << order, first = round_up(t->start, size), last = (t->end & -size) - size, block, chunk;
    struct tree *preferred = t->prefer_cleared ? &b->cleared : &b->dirty;
    struct tree *other = t->prefer_cleared ? &b->dirty : &b->cleared;
    uint8_t state;

    if (last < first)
        return NONE;
    block = best_fit(preferred, order, first, last);
    if (block == NONE)
        block = best_fit(other, order, first, last);
    if (block == NONE)
        return NONE;
    state = b->state[block];
    chunk = block > first ? block : first;
    cut(b, block, chunk, order);
    b->state[chunk] = state_of(FURTHER, order, is_cleared(state));
    b->free_chunks -= size;
    if (is_cleared(state))
        b->cleared_chunks -= size;
    return chunk;
}

/* Frees a chain: as cleared (1), as dirty (0), or each block as it was taken (-1). */
static inline void release_chain(struct buddy *b, int32_t chunk, int cleared)
{
    while (chunk != NONE) {
        uint8_t state = b->state[chunk];
        int32_t next = NONE;

        if ((state & KIND_MASK) != ONLY) {
            next = next_block(b, chunk);
            b->links[chunk] = 0;
        }
        release(b, chunk, order_of(state), cleared < 0 ? is_cleared(state) : cleared);
        chunk = next;
    }
}

static inline void seal(struct buddy *b, int32_t handle, int32_t tail)
{
    b->state[handle] = (b->state[handle] & ~KIND_MASK) | (handle == tail ? ONLY : FIRST);
}

/* Cuts the last block of a chain; what is kept may become several. */
static void shrink(struct buddy *b, int32_t chunk, int32_t keep)
{
    uint8_t state = b->state[chunk];
    int32_t end = chunk + chunks_of(state), middle = chunk + keep, tail = chunk;

    for (int32_t piece = chunk; piece < middle; piece += chunks_of(b->state[piece])) {
        b->state[piece] = state_of(FURTHER, largest_order(piece, middle), is_cleared(state));
        if (piece != chunk)
            b->links[tail] = piece + 1;
        tail = piece;
    }
    if ((state & KIND_MASK) == ONLY)
        seal(b, chunk, tail);
    for (int32_t piece = middle; piece < end;) {
        int order = largest_order(piece, end);

        release(b, piece, order, is_cleared(state));
        piece += 1 << order;
    }
}

/* Makes one dirty block of a mixed place, and remembers which of its blocks were cleared. */
static bool merge_mixed(struct buddy *b, int order, const struct terms *t)
{
    int32_t size = 1 << order, first = round_up(t->start, size), last = (t->end & -size) - size, place;
    struct map *map = &b->mixed.maps[order];
    size_t from = b->forgotten_count;

    if (last < first || !b->mixed.orders)
        return false;
    place = map_lowest(map, first >> order);
    if (place == NONE || place << order > last)
        return false;
    place <<= order;
    for (int32_t block = place; block < place + size; block += chunks_of(b->state[block])) {
        if (!is_cleared(b->state[block]))
            continue;
        if (b->forgotten_count == FORGOTTEN_MAX)
            die("too many cleared blocks in one place");
        b->forgotten[b->forgotten_count++] = (struct forgotten){block, order_of(b->state[block])};
    }
    for (size_t i = from; i < b->forgotten_count; i++) {
        int32_t chunk = b->forgotten[i].chunk, chunks = chunks_of(b->state[chunk]);

        unlist(b, chunk, b->state[chunk]);
        b->free_chunks -= chunks;
        b->cleared_chunks -= chunks;
        release(b, chunk, b->forgotten[i].order, false);
    }
    return true;
}

/* Undoes it, once everything that was taken since is free again. */
static void recall(struct buddy *b)
{
    for (size_t i = 0; i < b->forgotten_count; i++) {
        struct forgotten *f = &b->forgotten[i];
        int32_t block = f->chunk;

        while (b->state[block] == INSIDE)
            block &= block - 1;
        cut(b, block, f->chunk, f->order);
        b->free_chunks -= 1 << f->order;
        release(b, f->chunk, f->order, true);
    }
}
