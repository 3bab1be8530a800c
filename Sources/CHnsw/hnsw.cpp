#include "CHnsw.h"

#include <hnswlib/hnswlib.h>

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

}  // namespace

struct chnsw_index {
    hnswlib::InnerProductSpace space;
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

bool chnsw_add(chnsw_index *index, const float *vector, uint64_t label) {
    return guarded([&] {
        auto &graph = *index->graph;
        if (graph.cur_element_count >= graph.max_elements_) graph.resizeIndex(graph.max_elements_ * 2);
        graph.addPoint(vector, label);
    });
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
