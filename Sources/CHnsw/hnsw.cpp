#include "CHnsw.h"

#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <memory>
#include <string>

namespace {

thread_local std::string lastError;

template <typename Work>
bool guarded(Work work) {
    try {
        work();
        return true;
    } catch (const std::exception &error) {
        lastError = error.what();
    } catch (...) {
        lastError = "unknown error";
    }
    return false;
}

// hnswlib chooses its arithmetic when it is compiled, for the oldest processor that the program may run on. Here what the processor at hand
// has is chosen when the program runs; what that is need not be known elsewhere, since eight lanes become two times four where there are
// no eight.
typedef float Lanes __attribute__((vector_size(32), aligned(4)));

__attribute__((always_inline)) inline float product(const float *left, const float *right, size_t count) {
    constexpr size_t width = sizeof(Lanes) / sizeof(float);
    Lanes sums[2] = {{0}, {0}};
    size_t at = 0;
    for (; at + 2 * width <= count; at += 2 * width) {
        sums[0] += *reinterpret_cast<const Lanes *>(left + at) * *reinterpret_cast<const Lanes *>(right + at);
        sums[1] += *reinterpret_cast<const Lanes *>(left + at + width) * *reinterpret_cast<const Lanes *>(right + at + width);
    }
    const Lanes sum = sums[0] + sums[1];
    float total = 0;
    for (size_t lane = 0; lane < width; ++lane) total += sum[lane];
    for (; at < count; ++at) total += left[at] * right[at];
    return total;
}

float distance(const void *left, const void *right, const void *count) {
    return 1.0f - product(static_cast<const float *>(left), static_cast<const float *>(right), *static_cast<const size_t *>(count));
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) float distanceWithAVX2(const void *left, const void *right, const void *count) {
    return 1.0f - product(static_cast<const float *>(left), static_cast<const float *>(right), *static_cast<const size_t *>(count));
}
#endif

// One minus the inner product: for vectors of length 1 the cosine distance.
class Space final : public hnswlib::SpaceInterface<float> {
    size_t dimension;

public:
    explicit Space(size_t dimension) : dimension(dimension) {}
    size_t get_data_size() override { return dimension * sizeof(float); }
    void *get_dist_func_param() override { return &dimension; }
    hnswlib::DISTFUNC<float> get_dist_func() override {
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return distanceWithAVX2;
#endif
        return distance;
    }
};

}  // namespace

struct chnsw_index {
    Space space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;

    explicit chnsw_index(size_t dimension) : space(dimension) {}
};

chnsw_index *chnsw_create(size_t dimension, size_t capacity, size_t m, size_t ef_construction) {
    chnsw_index *index = nullptr;
    guarded([&] {
        auto made = std::make_unique<chnsw_index>(dimension);
        made->graph = std::make_unique<hnswlib::HierarchicalNSW<float>>(&made->space, capacity, m, ef_construction);
        index = made.release();
    });
    return index;
}

void chnsw_free(chnsw_index *index) { delete index; }

bool chnsw_reserve(chnsw_index *index, size_t more) {
    return guarded([&] {
        auto &graph = *index->graph;
        const size_t needed = graph.cur_element_count + more;
        if (needed > graph.max_elements_) graph.resizeIndex(std::max(needed, graph.max_elements_ * 2));
    });
}

bool chnsw_add(chnsw_index *index, const float *vector, uint64_t label) {
    return guarded([&] { index->graph->addPoint(vector, label); });
}

bool chnsw_remove(chnsw_index *index, uint64_t label) {
    return guarded([&] { index->graph->markDelete(label); });
}

bool chnsw_search(chnsw_index *index, const float *query, size_t k, size_t ef, uint64_t *labels, float *scores, size_t *found) {
    return guarded([&] {
        index->graph->setEf(ef > k ? ef : k);
        auto nearest = index->graph->searchKnn(query, k);
        *found = nearest.size();
        // The queue gives the farthest first.
        for (size_t position = nearest.size(); position-- > 0; nearest.pop()) {
            labels[position] = nearest.top().second;
            scores[position] = 1.0f - nearest.top().first;
        }
    });
}

const char *chnsw_last_error(void) { return lastError.c_str(); }
