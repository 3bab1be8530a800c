"""The vector store as the qdrant-client package sees it; the client's own in-memory store is the oracle."""

import concurrent.futures
import hashlib
import importlib.metadata
import json
import random
import threading
import uuid
import warnings

import httpx
import numpy
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.common.version_check import is_compatible
from qdrant_client.http.exceptions import UnexpectedResponse

from stack import Stack

DIMENSION = 32
EXACT = models.SearchParams(exact=True)
# Past 2,000 points searches go through the graph.
POINTS = 3_000
CITIES = ["Seoul", "Busan", "Jeju", "Daegu", "부산"]
WORDS = "the quick brown fox jumps over lazy dogs while reading quiet books 하늘 바다".split()


@pytest.fixture(scope="module")
def store():
    """A stack of the vector store alone."""
    running = Stack()
    try:
        yield running.start("--only", "qdrant")
    finally:
        running.stop()


@pytest.fixture(scope="module")
def client(store):
    return connected(store)


@pytest.fixture
def name(client):
    """The name of a collection of this test alone."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    client.delete_collection(name)


def connected(stack, **arguments):
    with warnings.catch_warnings():
        # It warns of keys without TLS; this is loopback.
        warnings.simplefilter("ignore")
        return QdrantClient(url=stack.url("qdrant"), timeout=60, check_compatibility=False, **arguments)


def parameters(distance=models.Distance.COSINE, size=4):
    return models.VectorParams(size=size, distance=distance)


def point(identifier, vector=(1, 0, 0, 0), **payload):
    return models.PointStruct(id=identifier, vector=list(vector), payload=payload)


def scrolled(client, name, page=100, **arguments):
    """Every point, page by page."""
    found, offset = [], None
    while True:
        points, offset = client.scroll(name, limit=page, offset=offset, **arguments)
        found += points
        if offset is None:
            return found


def refused(status, call, *arguments, **named):
    with pytest.raises(UnexpectedResponse) as raised:
        call(*arguments, **named)
    assert raised.value.status_code == status, raised.value
    return raised.value


# MARK: The oracle


class Mirror:
    """The same points in the store and in the client's own memory."""

    def __init__(self, client, name, distance):
        self.client, self.name = client, name
        self.oracle = QdrantClient(":memory:")
        numbers = numpy.random.default_rng(7)
        centres = numbers.normal(size=(40, DIMENSION))
        vectors = centres[numbers.integers(0, 40, POINTS)] + 0.35 * numbers.normal(size=(POINTS, DIMENSION))
        self.points = [point(identifier(n), vectors[n].tolist(), **payload(n, numbers)) for n in range(POINTS)]
        # Near points of the collection, as questions are near documents; and anywhere.
        self.queries = (vectors[numbers.integers(0, POINTS, 20)] + 0.2 * numbers.normal(size=(20, DIMENSION))).tolist()
        self.strangers = numbers.normal(size=(5, DIMENSION)).tolist()
        for side in (self.client, self.oracle):
            side.create_collection(name, vectors_config=parameters(distance, DIMENSION))
            for start in range(0, POINTS, 500):
                side.upsert(name, self.points[start : start + 500])

    def ranked(self, query, **arguments):
        """What the store answers, once it is proved to be what the oracle answers."""
        ours = self.client.query_points(self.name, query=query, **arguments).points
        # The oracle is always exact, and says so when it is asked to be.
        theirs = self.oracle.query_points(self.name, query=query, **{name: value for name, value in arguments.items() if name != "search_params"}).points
        assert [hit.id for hit in ours] == [hit.id for hit in theirs], (arguments, [hit.score for hit in theirs])
        for left, right in zip(ours, theirs):
            assert left.score == pytest.approx(right.score, abs=1e-4)
            assert left.payload == right.payload
            if right.vector is not None:
                assert left.vector == pytest.approx(right.vector, abs=1e-5)
        return ours


def identifier(n):
    return n if n % 3 else str(uuid.UUID(int=n * 2**64 + n))


def payload(n, numbers):
    """Values of every kind, some of them missing, null or empty."""
    members = {
        "number": int(numbers.integers(0, 50)),
        "price": float(numpy.round(numbers.uniform(0, 100), 3)),
        "city": CITIES[int(numbers.integers(0, len(CITIES)))],
        "open": bool(numbers.integers(0, 2)),
        "text": " ".join(numbers.choice(WORDS, 5)),
        "tags": [str(tag) for tag in numbers.choice(["red", "green", "blue", "black"], int(numbers.integers(0, 4)))],
        "place": {"country": ["KR", "JP"][n % 2], "floor": int(n % 7), "crew": [{"name": str(who)} for who in numbers.choice(WORDS, n % 3)]},
    }
    if n % 4 == 0:
        members["note"] = [None, "", [], "written", [None, 1], {}][n // 4 % 6]
    if n % 10 == 0:
        del members["city"]
    if n % 11 == 0:
        members["price"] = None
    return members


def field(key, **condition):
    return models.FieldCondition(key=key, **condition)


FILTERS = {
    "match value": models.Filter(must=[field("city", match=models.MatchValue(value="Seoul"))]),
    "match a value of another script": models.Filter(must=[field("city", match=models.MatchValue(value="부산"))]),
    "match a number": models.Filter(must=[field("number", match=models.MatchValue(value=7))]),
    "match true": models.Filter(must=[field("open", match=models.MatchValue(value=True))]),
    "match one is not match true": models.Filter(must=[field("open", match=models.MatchValue(value=1))]),
    "match an element of a list": models.Filter(must=[field("tags", match=models.MatchValue(value="red"))]),
    "match any": models.Filter(must=[field("city", match=models.MatchAny(any=["Busan", "Jeju"]))]),
    "match any number": models.Filter(must=[field("number", match=models.MatchAny(any=[1, 2, 3]))]),
    "match except": models.Filter(must=[field("city", match=models.MatchExcept(**{"except": ["Seoul", "Daegu"]}))]),
    "match except, of nulls": models.Filter(must=[field("note", match=models.MatchExcept(**{"except": ["written"]}))]),
    "match text": models.Filter(must=[field("text", match=models.MatchText(text="fox"))]),
    "match text of another script": models.Filter(must=[field("text", match=models.MatchText(text="하늘"))]),
    "range": models.Filter(must=[field("price", range=models.Range(gte=20, lt=60))]),
    "range of one side": models.Filter(must=[field("number", range=models.Range(gt=45))]),
    "range of a flag": models.Filter(must=[field("open", range=models.Range(gte=0))]),
    "has id": models.Filter(must=[models.HasIdCondition(has_id=[identifier(n) for n in range(60)])]),
    "is empty": models.Filter(must=[models.IsEmptyCondition(is_empty=models.PayloadField(key="note"))]),
    "is empty, of lists": models.Filter(must=[models.IsEmptyCondition(is_empty=models.PayloadField(key="tags"))]),
    "is null": models.Filter(must=[models.IsNullCondition(is_null=models.PayloadField(key="note"))]),
    "is not null": models.Filter(must_not=[models.IsNullCondition(is_null=models.PayloadField(key="price"))]),
    "values count": models.Filter(must=[field("tags", values_count=models.ValuesCount(gte=2))]),
    "values count of none": models.Filter(must=[field("tags", values_count=models.ValuesCount(lt=1))]),
    "values count of nulls": models.Filter(must=[field("note", values_count=models.ValuesCount(gte=1))]),
    "a path": models.Filter(must=[field("place.country", match=models.MatchValue(value="JP"))]),
    "a path through a list": models.Filter(must=[field("place.crew[].name", match=models.MatchValue(value="fox"))]),
    "must, should and must not": models.Filter(
        must=[field("open", match=models.MatchValue(value=True))],
        should=[field("city", match=models.MatchValue(value="Seoul")), field("number", range=models.Range(lt=10))],
        must_not=[field("tags", match=models.MatchValue(value="black"))],
    ),
    "filters within filters": models.Filter(
        must=[
            models.Filter(
                should=[
                    models.Filter(
                        must=[field("place.floor", range=models.Range(gte=4))], must_not=[field("city", match=models.MatchValue(value="Jeju"))]
                    ),
                    models.Filter(must_not=[field("price", range=models.Range(lt=95))]),
                ]
            )
        ],
        must_not=[models.Filter(must=[field("open", match=models.MatchValue(value=False))])],
    ),
    "a single condition without a list": models.Filter(must=field("city", match=models.MatchValue(value="Busan"))),
    "nothing matches": models.Filter(must=[field("city", match=models.MatchValue(value="Atlantis"))]),
    "an empty filter": models.Filter(),
}
NOTHING = {"nothing matches", "match one is not match true", "range of a flag"}


@pytest.fixture(scope="module", params=[models.Distance.COSINE, models.Distance.DOT, models.Distance.EUCLID], ids=lambda distance: distance.value)
def mirror(request, client):
    made = Mirror(client, f"mirror-{request.param.value}", request.param)
    yield made
    client.delete_collection(made.name)


@pytest.fixture(scope="module")
def cosine(client):
    made = Mirror(client, "mirror-of-cosine", models.Distance.COSINE)
    yield made
    client.delete_collection(made.name)


def test_the_nearest_are_those_of_the_oracle_in_its_order(mirror):
    for query in mirror.queries:
        assert len(mirror.ranked(query, limit=10)) == 10


def test_of_the_forty_nearest_hardly_one_is_missed(mirror):
    """The graph may miss some, for strange questions rather than for near ones."""
    found = wanted = 0
    for query in mirror.queries + mirror.strangers:
        ours, theirs = (ids(side.query_points(mirror.name, query=query, limit=40)) for side in (mirror.client, mirror.oracle))
        assert len(ours) == len(theirs) == 40
        found, wanted = found + len(set(ours) & set(theirs)), wanted + 40
    assert found / wanted >= 0.98


def test_an_exact_search_misses_none(mirror):
    for query in mirror.queries + mirror.strangers:
        assert len(mirror.ranked(query, limit=100, search_params=EXACT)) == 100


@pytest.mark.parametrize("kind", FILTERS)
def test_filtered_the_nearest_are_those_of_the_oracle(mirror, kind):
    for query in mirror.queries[::6]:
        mirror.ranked(query, limit=10, query_filter=FILTERS[kind])


@pytest.mark.parametrize("kind", FILTERS)
def test_a_filter_lets_the_same_points_through_when_they_are_counted_scrolled_and_deleted(cosine, client, kind):
    expected = {hit.id for hit in scrolled(cosine.oracle, cosine.name, 1_000, scroll_filter=FILTERS[kind])}
    assert (kind in NOTHING) == (not expected)
    assert client.count(cosine.name, count_filter=FILTERS[kind], exact=True).count == len(expected)
    assert {hit.id for hit in scrolled(client, cosine.name, 1_000, scroll_filter=FILTERS[kind])} == expected


def test_a_search_by_id_finds_its_like_and_not_itself(mirror):
    for n in (0, 1, 2, 3, 1_500):
        found = mirror.ranked(identifier(n), limit=7)
        assert identifier(n) not in [hit.id for hit in found]
    mirror.ranked(identifier(4), limit=7, offset=3, query_filter=FILTERS["match true"])


def test_offset_and_limit_cut_pages_out_of_one_ranking(mirror):
    whole = [hit.id for hit in mirror.ranked(mirror.queries[0], limit=60)]
    pages = [hit.id for start in range(0, 60, 15) for hit in mirror.ranked(mirror.queries[0], limit=15, offset=start)]
    assert pages == whole


def test_a_score_threshold_cuts_where_the_oracle_cuts(mirror):
    query = mirror.queries[1]
    scores = [hit.score for hit in mirror.oracle.query_points(mirror.name, query, limit=40).points]
    for cut in (0, 7, 20, 38):
        between = (scores[cut] + scores[cut + 1]) / 2
        assert len(mirror.ranked(query, limit=100, score_threshold=between, search_params=EXACT)) == cut + 1
    assert len(mirror.ranked(query, limit=10, offset=5, score_threshold=(scores[11] + scores[12]) / 2)) == 7


@pytest.mark.parametrize(
    "wanted",
    [
        True,
        False,
        ["city", "tags"],
        models.PayloadSelectorInclude(include=["price"]),
        models.PayloadSelectorExclude(exclude=["text", "place"]),
        ["place.country"],
        models.PayloadSelectorExclude(exclude=["place.crew"]),
    ],
    ids=str,
)
def test_only_the_wanted_members_of_payloads_come(cosine, wanted):
    cosine.ranked(cosine.queries[2], limit=20, with_payload=wanted)
    ids = [identifier(n) for n in range(20)]
    ours, theirs = (sorted(side.retrieve(cosine.name, ids, with_payload=wanted), key=lambda hit: str(hit.id)) for side in (cosine.client, cosine.oracle))
    assert [(hit.id, hit.payload or {}) for hit in ours] == [(hit.id, hit.payload or {}) for hit in theirs]


def test_vectors_come_when_they_are_wanted_and_only_then(mirror):
    assert all(hit.vector for hit in mirror.ranked(mirror.queries[3], limit=5, with_vectors=True))
    assert all(hit.vector is None for hit in mirror.ranked(mirror.queries[3], limit=5))
    assert mirror.client.retrieve(mirror.name, [1])[0].vector is None
    ours, theirs = (side.retrieve(mirror.name, [1], with_vectors=True)[0].vector for side in (mirror.client, mirror.oracle))
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_a_batch_of_searches_answers_each_as_if_it_came_alone(cosine):
    requests = [
        models.QueryRequest(query=cosine.queries[0], limit=5, with_payload=True),
        models.QueryRequest(query=cosine.queries[1], limit=3, offset=2, filter=FILTERS["match any"], with_vector=True),
        models.QueryRequest(query=identifier(9), limit=4, score_threshold=0.1),
    ]
    ours, theirs = (side.query_batch_points(cosine.name, requests) for side in (cosine.client, cosine.oracle))
    assert [[hit.id for hit in answer.points] for answer in ours] == [[hit.id for hit in answer.points] for answer in theirs]
    assert [len(answer.points) for answer in ours] == [5, 3, 4]
    assert ours[0].points[0].payload and ours[1].points[0].vector and not ours[2].points[0].payload


def test_changed_and_deleted_points_are_found_as_they_are_now(client, name):
    """The graph must forget what was replaced."""
    mirror = Mirror(client, name, models.Distance.COSINE)
    moved = [point(identifier(n), mirror.points[(n * 7 + 1) % POINTS].vector, moved=n) for n in range(0, POINTS, 5)]
    gone = [identifier(n) for n in range(1, POINTS, 5)]
    for side in (mirror.client, mirror.oracle):
        side.upsert(name, moved)
        side.delete(name, models.PointIdsList(points=gone))
    assert client.count(name).count == POINTS - len(gone)
    # Moved points lie exactly upon others: what stands at equal distance may come in either order.
    for query in mirror.queries:
        ours = client.query_points(name, query, limit=10).points
        theirs = mirror.oracle.query_points(name, query, limit=10).points
        assert [hit.score for hit in ours] == pytest.approx([hit.score for hit in theirs], abs=1e-4)
        certain = {hit.id for hit in theirs if hit.score > theirs[-1].score + 1e-4}
        assert certain <= {hit.id for hit in ours}
        assert not {hit.id for hit in ours} & set(gone)
    for number in (0, 5, 100):
        assert client.retrieve(name, [identifier(number)])[0].payload == {"moved": number}


# MARK: Collections


@pytest.mark.parametrize("distance", [models.Distance.COSINE, models.Distance.DOT, models.Distance.EUCLID])
def test_a_collection_is_made_described_listed_and_deleted(client, name, distance):
    assert not client.collection_exists(name)
    assert client.create_collection(name, vectors_config=parameters(distance, 16))
    assert client.collection_exists(name)
    assert name in [collection.name for collection in client.get_collections().collections]
    told = client.get_collection(name)
    assert told.status == models.CollectionStatus.GREEN
    assert told.points_count == 0
    assert told.config.params.vectors.size == 16
    assert told.config.params.vectors.distance == distance
    client.upsert(name, [point(1, [0.5] * 16)])
    assert client.get_collection(name).points_count == 1
    assert client.delete_collection(name)
    assert not client.collection_exists(name)
    assert name not in [collection.name for collection in client.get_collections().collections]
    assert not client.delete_collection(name)


def test_a_collection_that_is_made_again_is_empty(client, name):
    client.create_collection(name, vectors_config=parameters())
    client.upsert(name, [point(1)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client.recreate_collection(name, vectors_config=parameters(size=8))
    assert client.count(name).count == 0
    assert client.get_collection(name).config.params.vectors.size == 8


@pytest.mark.parametrize("named", ["with space", "한글 이름", "a.b", "percent%41", "quote'\"", "plus+and&", "x" * 200])
def test_a_name_may_hold_anything_that_a_path_can_carry(client, named):
    client.create_collection(named, vectors_config=parameters())
    try:
        client.upsert(named, [point(1)])
        assert client.get_collection(named).points_count == 1
        assert client.query_points(named, query=[1, 0, 0, 0]).points[0].id == 1
        assert named in [collection.name for collection in client.get_collections().collections]
    finally:
        assert client.delete_collection(named)


# MARK: Points


def test_points_come_back_as_they_were_sent(client, name):
    client.create_collection(name, vectors_config=parameters(models.Distance.DOT))
    odd = {
        "text": "줄\n바꿈 \u0000\u0001 \U0001f600 e\u0301 \u202e", "": "empty key", "a.b": "dotted", "키": [1, [2, [3, {}]], []],
        "numbers": [0, -1, 2**53 + 1, 2**63 - 1, -(2**63), 0.1, 1e300, 1e-300, -2.5], "flags": [True, False, None], "nested": {"null": None, "deep": {"er": [{}]}},
    }
    first = str(uuid.uuid4())
    client.upsert(name, [models.PointStruct(id=7, vector=[0.1, -2.5, 3e-8, 4e7], payload=odd), models.PointStruct(id=first, vector=[1, 2, 3, 4])])
    client.upsert(name, models.Batch(ids=[8, 9], vectors=[[1, 1, 1, 1], [2, 2, 2, 2]], payloads=[{"n": 8}, {}]))
    found = {hit.id: hit for hit in client.retrieve(name, [7, 8, 9, first, 404], with_vectors=True)}
    assert set(found) == {7, 8, 9, first}
    assert json.dumps(found[7].payload, sort_keys=True) == json.dumps(odd, sort_keys=True)
    assert found[7].vector == [0.1, -2.5, 3e-8, 4e7]
    assert not found[first].payload and not found[9].payload
    assert found[8].payload == {"n": 8}


@pytest.mark.parametrize("largest", [0, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_an_id_may_be_any_unsigned_number_of_64_bits(client, name, largest):
    client.create_collection(name, vectors_config=parameters())
    client.upsert(name, [point(largest, n=1)])
    assert [hit.id for hit in client.retrieve(name, [largest])] == [largest]
    assert [hit.id for hit in client.query_points(name, query=[1, 0, 0, 0]).points] == [largest]
    assert [hit.id for hit in client.scroll(name)[0]] == [largest]
    client.delete(name, models.PointIdsList(points=[largest]))
    assert client.count(name).count == 0


@pytest.mark.parametrize("form", [lambda id: str(id), lambda id: str(id).upper(), lambda id: id.hex, lambda id: id.urn], ids=["plain", "upper case", "without hyphens", "urn"])
def test_a_uuid_names_one_point_in_all_its_forms(client, name, form):
    """https://qdrant.tech/documentation/concepts/points/#point-ids lists them."""
    client.create_collection(name, vectors_config=parameters())
    identity = uuid.UUID("550e8400-e29b-41d4-a716-446655440abc")
    client.upsert(name, [point(form(identity), n=1)])
    client.upsert(name, [point(str(identity), n=2)])
    assert client.count(name).count == 1
    assert [(hit.id, hit.payload) for hit in client.retrieve(name, [form(identity)])] == [(str(identity), {"n": 2})]
    assert client.count(name, count_filter=models.Filter(must=[models.HasIdCondition(has_id=[form(identity)])])).count == 1
    client.delete(name, models.PointIdsList(points=[form(identity)]))
    assert client.count(name).count == 0


def test_an_upsert_replaces_the_whole_point(client, name):
    client.create_collection(name, vectors_config=parameters())
    client.upsert(name, [point(1, (1, 0, 0, 0), a=1, b=2)])
    client.upsert(name, [point(1, (0, 1, 0, 0), c=3)])
    found = client.retrieve(name, [1], with_vectors=True)[0]
    assert (found.payload, found.vector) == ({"c": 3}, [0, 1, 0, 0])
    assert client.count(name).count == 1


def test_scrolling_gives_each_point_once_in_the_order_of_ids(client, name):
    client.create_collection(name, vectors_config=parameters())
    ids = [str(uuid.UUID(int=n * 12_345_678_901_234_567)) for n in range(1, 400)] + list(range(3, 2_000, 5))
    random.Random(1).shuffle(ids)
    client.upsert(name, [point(identity, n=str(identity)) for identity in ids])
    in_order = sorted(i for i in ids if isinstance(i, int)) + sorted(i for i in ids if isinstance(i, str))
    for page in (1, 7, 100, 10_000):
        if page > 1:
            assert [hit.id for hit in scrolled(client, name, page)] == in_order
    assert client.scroll(name, limit=1)[0][0].payload == {"n": "3"}
    assert [hit.id for hit in client.scroll(name, limit=3, offset=in_order[500])[0]] == in_order[500:503]


def test_payloads_are_set_overwritten_deleted_and_cleared_as_the_oracle_does(client, name):
    oracle = QdrantClient(":memory:")
    some = models.Filter(must=[field("n", range=models.Range(gte=5))])
    states = []
    for side in (client, oracle):
        side.create_collection(name, vectors_config=parameters())
        side.upsert(name, [point(n, n=n, city="Seoul", place={"a": {"b": 1, "c": 2}}) for n in range(10)])
        side.set_payload(name, {"city": "Jeju", "new": [1]}, points=[1, 2])
        side.set_payload(name, {"late": True}, points=some)
        side.overwrite_payload(name, {"only": "this"}, points=[3])
        side.overwrite_payload(name, {"n": 100}, points=models.Filter(must=[field("n", match=models.MatchValue(value=9))]))
        side.delete_payload(name, ["city", "missing"], points=[4])
        side.delete_payload(name, ["late"], points=models.Filter(must=[field("n", match=models.MatchValue(value=6))]))
        side.clear_payload(name, points_selector=[0])
        side.clear_payload(name, points_selector=models.FilterSelector(filter=models.Filter(must=[field("n", match=models.MatchValue(value=8))])))
        states.append({hit.id: hit.payload or {} for hit in scrolled(side, name)})
    assert states[0] == states[1]


def test_payloads_are_changed_below_a_path_as_the_oracle_does(client, name):
    oracle = QdrantClient(":memory:")
    states = []
    for side in (client, oracle):
        side.create_collection(name, vectors_config=parameters())
        side.upsert(name, [point(n, place={"a": {"b": 1, "c": 2}}) for n in range(3)])
        side.set_payload(name, {"d": 3}, points=[0], key="place.a")
        side.delete_payload(name, ["place.a.b"], points=[1])
        states.append({hit.id: hit.payload for hit in scrolled(side, name)})
    assert states[0] == states[1]


def test_points_are_deleted_by_id_and_by_filter(client, name):
    client.create_collection(name, vectors_config=parameters())
    client.upsert(name, [point(n, n=n) for n in range(20)])
    client.delete(name, models.PointIdsList(points=[0, 1, 999]))
    client.delete(name, models.FilterSelector(filter=models.Filter(must=[field("n", range=models.Range(gte=15))])))
    assert [hit.id for hit in scrolled(client, name)] == list(range(2, 15))
    assert client.query_points(name, query=[1, 0, 0, 0], limit=100).points[-1].id in range(2, 15)
    client.upsert(name, [point(0, n="again")])
    assert client.retrieve(name, [0])[0].payload == {"n": "again"}


def test_a_payload_index_changes_no_answer_and_is_listed(client, name):
    client.create_collection(name, vectors_config=parameters())
    client.upsert(name, [point(n, city=CITIES[n % 4], number=n % 9) for n in range(100)])
    wanted = models.Filter(must=[field("city", match=models.MatchValue(value="Jeju")), field("number", range=models.Range(lt=5))])
    before = [hit.id for hit in scrolled(client, name, scroll_filter=wanted)]
    assert client.create_payload_index(name, "city", models.PayloadSchemaType.KEYWORD).status == models.UpdateStatus.COMPLETED
    client.create_payload_index(name, "number", models.IntegerIndexParams(type="integer", lookup=True, range=True))
    assert [hit.id for hit in scrolled(client, name, scroll_filter=wanted)] == before
    schema = client.get_collection(name).payload_schema
    assert {key: value.data_type for key, value in schema.items()} == {
        "city": models.PayloadSchemaType.KEYWORD, "number": models.PayloadSchemaType.INTEGER,
    }
    client.delete_payload_index(name, "city")
    assert set(client.get_collection(name).payload_schema) == {"number"}


def test_a_text_index_finds_whole_words_in_any_order_and_case(client, name):
    client.create_collection(name, vectors_config=parameters())
    client.create_payload_index(name, "text", models.TextIndexParams(type="text", tokenizer="word", lowercase=True))
    texts = ["Reading quiet books", "books: quiet READING", "a bookshelf, quiet", "조용한 책을 읽다"]
    client.upsert(name, [point(n, text=text) for n, text in enumerate(texts)])

    def found(words):
        return [hit.id for hit in scrolled(client, name, scroll_filter=models.Filter(must=[field("text", match=models.MatchText(text=words))]))]

    assert found("quiet books") == [0, 1]
    assert found("READING") == [0, 1]
    assert found("book") == []
    assert found("조용한") == [3]
    assert found("absent") == []


# MARK: Many at once


def test_points_written_by_many_threads_are_all_there(client, store, name):
    client.create_collection(name, vectors_config=parameters(models.Distance.DOT))
    done = threading.Event()

    def write(worker):
        own = connected(store)
        for batch in range(12):
            first = (worker * 12 + batch) * 25
            own.upsert(name, [point(n, (n, 1, worker, batch), n=n, worker=worker) for n in range(first, first + 25)])

    def read():
        own, rounds = connected(store), 0
        while not done.is_set() or rounds == 0:
            for hit in own.query_points(name, query=[1, 0, 0, 0], limit=20, with_payload=True, with_vectors=True).points:
                # A point is never seen half written.
                assert hit.payload["n"] == hit.id == hit.vector[0]
            rounds += 1

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        writers = [pool.submit(write, worker) for worker in range(8)]
        try:
            for writer in writers:
                writer.result(timeout=120)
        finally:
            done.set()
        for reader in readers:
            reader.result(timeout=60)
    found = scrolled(client, name, 500, with_vectors=True)
    assert [hit.id for hit in found] == list(range(8 * 12 * 25))
    assert all(hit.payload == {"n": hit.id, "worker": hit.id // 300} and hit.vector[0] == hit.id for hit in found)


def test_members_that_many_threads_set_on_one_point_are_all_there(client, store, name):
    client.create_collection(name, vectors_config=parameters())
    client.upsert(name, [point(1)])

    def change(worker):
        own = connected(store)
        for turn in range(25):
            own.set_payload(name, {f"{worker}-{turn}": True}, points=[1])

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(change, worker) for worker in range(6)]:
            future.result(timeout=120)
    assert len(client.retrieve(name, [1])[0].payload) == 150


def test_another_collection_lives_its_own_life_while_one_is_written(client, store, name):
    client.create_collection(name, vectors_config=parameters())
    done = threading.Event()

    def write():
        own, written = connected(store), 0
        while not done.is_set() or written == 0:
            own.upsert(name, [point(n, n=n) for n in range(written, written + 20)])
            written += 20
        return written

    other = name + "-other"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write)]
        try:
            for turn in range(15):
                client.create_collection(other, vectors_config=parameters(models.Distance.DOT, 2))
                client.upsert(other, [point(n, (n, turn), turn=turn) for n in range(50)])
                assert [hit.id for hit in client.query_points(other, query=[1, 0], limit=3).points] == [49, 48, 47]
                assert all(hit.payload == {"turn": turn} for hit in scrolled(client, other))
                assert client.delete_collection(other)
        finally:
            done.set()
        written = writers[0].result(timeout=60)
    assert client.count(name).count == written > 0


def test_a_collection_that_is_deleted_under_its_writers_is_not_found_from_then_on(client, store, name):
    client.create_collection(name, vectors_config=parameters())
    ready = threading.Barrier(5)

    def write(worker):
        own = connected(store)
        for turn in range(10_000):
            if turn == 3:
                ready.wait(60)
            try:
                own.upsert(name, [point(worker * 1_000_000 + turn, n=turn)])
            except UnexpectedResponse as error:
                return error.status_code
        return None

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, worker) for worker in range(4)]
        ready.wait(60)
        assert client.delete_collection(name)
        assert [writer.result(timeout=120) for writer in writers] == [404] * 4
    client.create_collection(name, vectors_config=parameters())
    assert client.count(name).count == 0


# MARK: Snapshots


@pytest.fixture
def filled(client, name):
    client.create_collection(name, vectors_config=parameters())
    client.upsert(name, [point(n, (1, n, n * n, 1), n=n, text="눈") for n in range(200)])
    return name


def contents(client, name):
    return [(hit.id, hit.payload, hit.vector) for hit in scrolled(client, name, 1_000, with_vectors=True)]


def download(store, name, snapshot):
    return httpx.get(store.url("qdrant") + f"/collections/{name}/snapshots/{snapshot}", timeout=60)


def test_a_snapshot_is_made_listed_downloaded_restored_elsewhere_and_deleted(client, store, filled):
    before = contents(client, filled)
    assert client.list_snapshots(filled) == []
    made = client.create_snapshot(filled)
    assert [(told.name, told.size, told.checksum) for told in client.list_snapshots(filled)] == [(made.name, made.size, made.checksum)]
    got = download(store, filled, made.name)
    assert got.status_code == 200
    assert len(got.content) == made.size
    assert hashlib.sha256(got.content).hexdigest() == made.checksum

    # What is written afterwards is not in it.
    client.upsert(filled, [point(1_000)])
    other = filled + "-restored"
    location = store.url("qdrant") + f"/collections/{filled}/snapshots/{made.name}"
    try:
        assert client.recover_snapshot(other, location, checksum=made.checksum, priority=models.SnapshotPriority.SNAPSHOT)
        assert contents(client, other) == before
        assert client.get_collection(other).config.params.vectors == client.get_collection(filled).config.params.vectors
        assert client.count(filled).count == 201
        client.upsert(other, [point(2_000)])
        assert client.count(other).count == 201 and client.retrieve(filled, [2_000]) == []
    finally:
        client.delete_collection(other)

    assert client.delete_snapshot(filled, made.name)
    assert client.list_snapshots(filled) == []
    assert download(store, filled, made.name).status_code == 404
    refused(404, client.delete_snapshot, filled, made.name)


def test_a_snapshot_takes_its_own_collection_back(client, store, filled):
    before = contents(client, filled)
    made = client.create_snapshot(filled)
    client.delete(filled, models.FilterSelector(filter=models.Filter(must=[field("n", range=models.Range(gte=10))])))
    client.upsert(filled, [point(1, (0, 0, 1, 0), changed=True)])
    client.recover_snapshot(filled, store.url("qdrant") + f"/collections/{filled}/snapshots/{made.name}")
    assert contents(client, filled) == before
    assert client.query_points(filled, query=[1, 5, 25, 1], limit=1).points[0].id == 5
    assert [told.name for told in client.list_snapshots(filled)] == [made.name]


def test_an_uploaded_snapshot_is_restored(client, store, filled):
    made = client.create_snapshot(filled)
    content = download(store, filled, made.name).content
    other = filled + "-uploaded"
    try:
        for _ in range(2):  # a second time over what is there
            answer = httpx.post(
                store.url("qdrant") + f"/collections/{other}/snapshots/upload?priority=snapshot&checksum={made.checksum}",
                files={"snapshot": (made.name, content)},
                timeout=60,
            )
            assert answer.status_code == 200, answer.text
        assert contents(client, other) == contents(client, filled)
    finally:
        client.delete_collection(other)


def test_a_snapshot_that_is_not_what_it_should_be_changes_nothing(client, store, filled):
    before = contents(client, filled)
    made = client.create_snapshot(filled)
    location = store.url("qdrant") + f"/collections/{filled}/snapshots/{made.name}"
    refused(400, client.recover_snapshot, filled, location, checksum="0" * 64)
    refused(404, client.recover_snapshot, filled, location.replace(made.name, "absent.snapshot"))
    for elsewhere in ("file:///etc/passwd", "http://127.0.0.1:1/x.snapshot", "http://[::1]:6333/collections/../../etc", location + "/../../../../x.snapshot"):
        assert refused_in_any_way(client.recover_snapshot, filled, elsewhere)
    whole = download(store, filled, made.name).content
    for content in (b"", b"no snapshot", whole[:5_000], whole[:100] + bytes(200) + whole[300:]):
        answer = httpx.post(store.url("qdrant") + f"/collections/{filled}/snapshots/upload", files={"snapshot": ("x.snapshot", content)}, timeout=60)
        assert answer.status_code == 400, (len(content), answer.text)
    for path in ("../points.sqlite", "..%2fpoints.sqlite", "%2e%2e%2fpoints.sqlite", "points.sqlite"):
        assert download(store, filled, path).status_code in (400, 404)
    assert contents(client, filled) == before


# MARK: Errors and what is not served


def refused_in_any_way(call, *arguments, **named):
    """Whether the call is refused as one that the caller must mend: not served wrong, and not a fault of the server."""
    with pytest.raises(UnexpectedResponse) as raised:
        call(*arguments, **named)
    return raised.value.status_code in (400, 404, 405, 422, 501)


def test_what_is_done_to_a_missing_collection_is_not_found(client):
    missing = "there-is-none"
    for call in (
        lambda: client.get_collection(missing),
        lambda: client.upsert(missing, [point(1)]),
        lambda: client.query_points(missing, query=[1, 0, 0, 0]),
        lambda: client.query_batch_points(missing, [models.QueryRequest(query=[1, 0, 0, 0])]),
        lambda: client.scroll(missing),
        lambda: client.count(missing),
        lambda: client.retrieve(missing, [1]),
        lambda: client.delete(missing, models.PointIdsList(points=[1])),
        lambda: client.set_payload(missing, {"a": 1}, points=[1]),
        lambda: client.clear_payload(missing, [1]),
        lambda: client.create_payload_index(missing, "a", models.PayloadSchemaType.KEYWORD),
        lambda: client.list_snapshots(missing),
        lambda: client.create_snapshot(missing),
    ):
        assert missing in str(refused(404, call))


def test_a_collection_that_exists_is_not_made_again(client, filled):
    assert filled in str(refused(409, client.create_collection, filled, vectors_config=parameters()))
    assert client.count(filled).count == 200


def test_a_vector_of_another_dimension_is_refused_and_nothing_of_its_batch_is_written(client, filled):
    assert "4" in str(refused(400, client.upsert, filled, [point(900), point(901, [1, 2, 3])]))
    refused(400, client.query_points, filled, query=[1.0, 2.0])
    refused(400, client.query_batch_points, filled, [models.QueryRequest(query=[1, 0, 0, 0]), models.QueryRequest(query=[1])])
    assert client.retrieve(filled, [900, 901]) == []


def test_a_bad_request_is_told_to_be_one(client, store, filled):
    url = store.url("qdrant") + f"/collections/{filled}"
    for method, path, body in (
        ("PUT", "/points", b"{"),
        ("PUT", "/points", b"[]"),
        ("PUT", "/points", b'{"points": [{"id": -1, "vector": [1, 0, 0, 0]}]}'),
        ("PUT", "/points", b'{"points": [{"id": 1.5, "vector": [1, 0, 0, 0]}]}'),
        ("PUT", "/points", b'{"points": [{"id": "no uuid", "vector": [1, 0, 0, 0]}]}'),
        ("PUT", "/points", b'{"points": [{"id": 1, "vector": "long"}]}'),
        ("PUT", "/points", b'{"points": [{"id": 1, "vector": [1, 0, 0, 1e999]}]}'),
        ("PUT", "/points", b'{"points": [{"id": 1, "vector": [1, 0, 0, NaN]}]}'),
        ("PUT", "/points", b'{"points": [{"id": 1, "vector": [1e39, 0, 0, 0]}]}'),
        ("PUT", "/points", b'{"points": [{"id": 1, "vector": [1, 0, 0, 0], "payload": [1]}]}'),
        ("PUT", "/points", b'{"batch": {"ids": [1, 2], "vectors": [[1, 0, 0, 0]]}}'),
        ("POST", "/points/query", b'{"query": [1, 0, 0, 0], "limit": 0}'),
        ("POST", "/points/query", b'{"query": [1, 0, 0, 0], "limit": -1}'),
        ("POST", "/points/query", b'{"query": [1, 0, 0, 0], "offset": -1}'),
        ("POST", "/points/query", b'{"query": [1, 0, 0, 0], "filter": {"must": [{"key": "n"}]}}'),
        ("POST", "/points/query", b'{"query": [1, 0, 0, 0], "filter": {"must": [{"key": "n", "match": {}}]}}'),
        ("POST", "/points/query", b'{"query": [1, 0, 0, 0], "filter": {"must": "n"}}'),
        ("POST", "/points/query", b'{"query": [1, 0, 0, 0], "filter": {"musst": []}}'),
        ("POST", "/points/query", b'{"query": [1, 0, 0, 0], "filter": {"must": [{"key": "n", "range": {"gte": "x"}}]}}'),
        ("POST", "/points/delete", b"{}"),
        ("POST", "/points/payload", b'{"payload": {"a": 1}}'),
        ("POST", "/points/scroll", b'{"limit": "many"}'),
        ("PUT", "/snapshots/recover", b"{}"),
    ):
        answer = httpx.request(method, url + path, content=body, headers={"content-type": "application/json"}, timeout=60)
        assert answer.status_code in (400, 422, 501), (method, path, body, answer.status_code, answer.text)
        assert answer.json()["status"]["error"], body
    assert client.count(filled).count == 200


def test_a_search_for_an_id_that_is_not_there_is_not_found(client, filled):
    refused(404, client.query_points, filled, query=999_999)


def test_bodies_past_the_bound_are_too_large(client, filled):
    with pytest.raises(UnexpectedResponse) as raised:
        client.upsert(filled, [point(1, text="x" * 17_000_000)])
    assert raised.value.status_code == 413


FOREIGN = {
    "named vectors": lambda side, name: side.create_collection(name + "-x", vectors_config={"a": parameters()}),
    "sparse vectors": lambda side, name: side.create_collection(
        name + "-x", vectors_config=parameters(), sparse_vectors_config={"s": models.SparseVectorParams()}
    ),
    "multivectors": lambda side, name: side.create_collection(
        name + "-x",
        vectors_config=models.VectorParams(
            size=4, distance="Cosine", multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
        ),
    ),
    "ordered scrolling": lambda side, name: [hit.id for hit in side.scroll(name, order_by=models.OrderBy(key="n", direction="desc"), limit=3)[0]],
    "groups": lambda side, name: [group.id for group in side.query_points_groups(name, "text", query=[1, 0, 0, 0]).groups],
    "recommendations": lambda side, name: ids(side.query_points(name, query=models.RecommendQuery(recommend=models.RecommendInput(positive=[1, 2], negative=[3])))),
    "fusion": lambda side, name: ids(
        side.query_points(
            name, prefetch=[models.Prefetch(query=[1, 0, 0, 0]), models.Prefetch(query=[0, 1, 0, 0])], query=models.FusionQuery(fusion=models.Fusion.RRF)
        )
    ),
    "a query without a query": lambda side, name: set(ids(side.query_points(name, limit=3))),
    "conditions on a minimum": lambda side, name: side.count(
        name, models.Filter(min_should=models.MinShould(conditions=[field("n", range=models.Range(lt=5)), field("n", range=models.Range(lt=9))], min_count=2))
    ).count,
    "nested conditions": lambda side, name: side.count(
        name, models.Filter(must=[models.NestedCondition(nested=models.Nested(key="crew", filter=models.Filter(must=[field("a", match=models.MatchValue(value=1))])))])
    ).count,
    "dates": lambda side, name: side.count(name, models.Filter(must=[field("day", range=models.DatetimeRange(gte="2026-01-01T00:00:00Z"))])).count,
    "places": lambda side, name: side.count(
        name, models.Filter(must=[field("where", geo_radius=models.GeoRadius(center=models.GeoPoint(lon=127.0, lat=37.5), radius=1_000))])
    ).count,
    "two conditions in one": lambda side, name: side.count(
        name, models.Filter(must=[models.FieldCondition(key="n", match=models.MatchValue(value=3), is_empty=False)])
    ).count,
    "facets": lambda side, name: [(hit.value, hit.count) for hit in side.facet(name, "text").hits],
    "changed vectors": lambda side, name: (
        side.update_vectors(name, [models.PointVectors(id=1, vector=[0, 0, 1, 0])]), side.retrieve(name, [1], with_vectors=True)[0].vector
    )[1],
    "several changes at once": lambda side, name: (
        side.batch_update_points(name, [models.DeleteOperation(delete=models.PointIdsList(points=[5]))]), side.count(name).count
    )[1],
    "aliases": lambda side, name: (
        side.update_collection_aliases(
            [models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name=name + "-alias"))]
        ),
        side.count(name + "-alias").count,
    )[1],
    "conditional upserts": lambda side, name: (
        side.upsert(name, [point(1, changed=True)], update_filter=models.Filter(must=[field("n", match=models.MatchValue(value=999))])),
        side.retrieve(name, [1])[0].payload,
    )[1],
    "some vectors by name": lambda side, name: side.retrieve(name, [1], with_vectors=["a"])[0].vector,
    "lookups elsewhere": lambda side, name: ids(side.query_points(name, query=1, lookup_from=models.LookupLocation(collection="there-is-none"))),
    "random samples": lambda side, name: len(side.query_points(name, query=models.SampleQuery(sample=models.Sample.RANDOM), limit=5).points),
    "distances of another kind": lambda side, name: side.create_collection(name + "-x", vectors_config=models.VectorParams(size=4, distance="Manhattan")),
}


def ids(answer):
    return [hit.id for hit in answer.points]


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_not_served_is_refused_and_never_answered_wrong(client, name, kind):
    """Each of these may be served one day; then as the oracle serves it."""
    oracle = QdrantClient(":memory:")
    for side in (client, oracle):
        side.create_collection(name, vectors_config=parameters(models.Distance.DOT))
        side.upsert(
            name,
            [
                point(n, (n, 1, 2, n % 5), n=n, text=["a", "b"][n % 2], crew=[{"a": n % 3}], day=f"202{n % 9}-05-05", where={"lon": 127.0, "lat": 37.0 + n / 20})
                for n in range(20)
            ],
        )
    try:
        ours = FOREIGN[kind](client, name)
    except UnexpectedResponse as error:
        assert error.status_code in (400, 404, 405, 422, 501), error
        return
    finally:
        if client.collection_exists(name + "-x"):
            made = client.get_collection(name + "-x").config.params
            client.delete_collection(name + "-x")
    try:
        theirs = FOREIGN[kind](oracle, name)
    except ValueError:
        pytest.fail(f"answered {ours!r} where the oracle refuses")
    if isinstance(theirs, bool):
        # A collection was made: it must be the one that was asked for.
        wanted = oracle.get_collection(name + "-x").config.params
        assert (made.vectors, made.sparse_vectors) == (wanted.vectors, wanted.sparse_vectors)
    else:
        assert ours == theirs


# MARK: The door


def test_the_client_finds_a_server_it_is_made_for(store):
    told = QdrantClient(url=store.url("qdrant"), check_compatibility=False).info()
    assert told.title.startswith("qdrant")
    # By this the client decides whether to warn its user of every connection that he makes.
    assert is_compatible(importlib.metadata.version("qdrant-client"), told.version), told.version


def test_probes_and_metrics_answer(store):
    for path in ("/healthz", "/readyz", "/livez", "/health", "/metrics"):
        assert store.get("qdrant", path)[0] == 200, path


def test_in_production_only_who_has_a_key_comes_in(own_stack):
    guarded = own_stack(SECURITY_MODE="production")
    guarded.start("--only", "qdrant")
    key = (guarded.data / "secrets" / "admin.key").read_text().strip()
    strangers = [connected(guarded), connected(guarded, api_key="maru_admin_" + "0" * 64), connected(guarded, api_key="x"), connected(guarded, api_key=key[:-1])]
    for stranger in strangers:
        refused(401, stranger.get_collections)
        refused(401, stranger.create_collection, "mine", vectors_config=parameters())
        refused(401, stranger.query_points, "mine", query=[1, 0, 0, 0])
        refused(401, stranger.delete_collection, "mine")
    admin = connected(guarded, api_key=key)
    admin.create_collection("mine", vectors_config=parameters())
    admin.upsert("mine", [point(1)])
    assert admin.query_points("mine", query=[1, 0, 0, 0]).points[0].id == 1
    bearer = httpx.get(guarded.url("qdrant") + "/collections", headers={"authorization": f"Bearer {key}"})
    assert bearer.status_code == 200
    # Who may not come in learns nothing either: not even which collections there are.
    unknown = httpx.get(guarded.url("qdrant") + "/collections/mine")
    assert unknown.status_code == 401 and "mine" not in unknown.text
    assert guarded.get("qdrant", "/healthz")[0] == 200
