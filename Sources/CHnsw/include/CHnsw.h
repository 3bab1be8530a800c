#ifndef CHNSW_H
#define CHNSW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A graph index over vectors (HNSW, https://arxiv.org/abs/1603.09320), by way of hnswlib. No exception leaves these functions:
// they answer false, and chnsw_last_error tells the thread that called why.

#ifdef __cplusplus
extern "C" {
#endif

typedef struct chnsw_index chnsw_index;

/// Makes an index of vectors that are compared by their inner product. NULL when memory is short.
chnsw_index *chnsw_create(size_t dimension, size_t capacity, size_t m, size_t ef_construction);

void chnsw_free(chnsw_index *index);

/// Makes room for so many vectors more. Nothing else may happen meanwhile.
bool chnsw_reserve(chnsw_index *index, size_t more);

/// Adds a vector, for which there must be room, or replaces the one with the same label. Labels that are new may be added by several
/// threads at once.
bool chnsw_add(chnsw_index *index, const float *vector, uint64_t label);

/// Keeps a label out of all later results.
bool chnsw_remove(chnsw_index *index, uint64_t label);

/// Finds the nearest vectors, best first.
///
/// labels and scores have room for k; found says how many there are. A score is the inner product.
bool chnsw_search(chnsw_index *index, const float *query, size_t k, size_t ef, uint64_t *labels, float *scores, size_t *found);

const char *chnsw_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
