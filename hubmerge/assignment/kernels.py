"""The compiled inner loops of the assignment: rows are scanned once, and again only if they must.

The algorithm is that of Jonker and Volgenant (1987, doi:10.1007/BF02278710) for a maximum. Every
column j has a price p[j], a row i *wants* the columns with the largest S[i, j] - p[j], and an
assignment in which every row has a column it wants is optimal, whatever the prices are. `solve`
gets there in three stages, and prices only ever rise on the way:

1. Every row in turn takes a column it wants, if one is free (`_assign_wanted`).
2. A row left over bids (`_bid`): it takes the column it wants from the row that has it, and raises
   the price until its second choice is as good, and a little more; the row thrown out bids in
   turn. The little more (Bertsekas 1988, doi:10.1007/BF02186476) keeps rows from outbidding one
   another in tiny steps; rows it left on a column they do not quite want are free again, and bid
   without it.
3. For each row still left over, Dijkstra's search finds the cheapest chain of rows that move over
   by one column each, the last to a free one (`_augment`). Where that takes long, prices are first
   brought about where they belong by bids in large steps (`_settle_roughly`).

What makes it fast is that a row is hardly ever looked at as a whole. `_shorten` notes its best
columns at the prices of the moment, and one bound on S[i, j] - p[j] of all others. As prices only
rise the bound stays true, and a row whose candidates reach it need not be scanned again. Dijkstra's
search treats the bound as one more step of the row: where that step is the cheapest one open, the
row is shortened anew, and scanned as a whole if that was not enough.

Ties: rows are served in ascending order. Of the columns a row wants equally it takes a free one
before a taken one, and then the first at or after its own number, cyclically; so a matrix of equal
entries leaves every row where it is. Of equally cheap chains the first found is taken.

All of it is one file because numba's cache watches the file of the function it compiles only:
helpers elsewhere could change without its noticing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])
Array = Any
"""Arrays of either precision: numba checks the types that mypy cannot."""

WANTED = 10
"""Candidates per row aimed at: fewer cost more scans, more cost time in every bid."""
ROOM = 64
"""Candidates per row at most; rows no longer than this are kept whole."""
FEW_LANES, MANY_LANES = 32, 128
"""Parts a row is dealt into when it is shortened; many where each still gets eight columns."""
COLD = 0.45
"""Share of free rows from which earlier prices are a worse start than none."""
CALM = 0.25
"""Share of free rows up to which bids need no haste: few rows are thrown out."""
START = 0.5
"""First prices, as a share of the columns' largest entries: at 0 rows of like taste crowd on few
columns, at 1 columns of like rows on few rows."""
HASTE = 0.05
"""What a hasty bid adds, as a share of the distance from the row's best column to its bound."""
BIDS = 64
"""Bids per row, on average, after which `_augment` takes over: some matrices never end bidding."""
PATIENCE = 16
"""Columns per row that `_augment` may look beyond before prices are first settled roughly."""
COARSE, FINE, FINER = 0.25, 1e-4, 5.0
"""First and last rough step, as shares of the mean over rows of the largest entry, and by what each
is finer than the one before."""
NOWHERE = -1
"""The column of a free row, the row of a free column, the place of what is not in the heap."""


class Lists(NamedTuple):
    """What is kept of every row: some candidates, and a bound on all other columns."""

    columns: Array
    """[n, room] int32, of which the first `counts[i]` are candidates of row i."""
    scores: Array
    """[n, room], their S[i, j]."""
    counts: Array
    bounds: Array
    """[n] float64: no other column j has a larger S[i, j] - p[j]."""
    tops: Array
    """[lanes], for `_shorten` to work in."""


class Market(NamedTuple):
    """Prices and who has what."""

    prices: Array
    """[n] float64."""
    rounded: Array
    """[n], the prices in the precision of the similarity."""
    assigned: Array
    """[n] int64, the column of every row."""
    owner: Array
    """[n] int64, the row of every column."""


class Search(NamedTuple):
    """Dijkstra's search: item j < n is column j, item n + i is the bound of row i."""

    keys: Array
    """[2n] float64, the cost of getting to an item."""
    heap: Array
    """[2n] items, a binary heap by key."""
    places: Array
    """[2n], where an item is in the heap."""
    reach: Array
    """[n] float64: row i gets to column j at the cost reach[i] - (S[i, j] - p[j])."""
    came: Array
    """[n], the row a column is reached from."""
    settled: Array
    """[n], the columns whose cost is final, in that order."""
    done: Array
    """[n], the last search a column was settled in."""
    renewed: Array
    """[n], the last search a row was shortened in."""


def _compiled(function: F) -> F:
    """Compiled into its callers. Maxima vectorise: no NaN comes here, and -0 equals 0."""
    return cast(F, njit(fastmath={"nnan", "nsz"})(function))


def survey(similarity: Array, patterns: Array, magnitude: int, tops: Array, largest: Array) -> None:
    """Largest entries: of every column, into `tops` [n], and of every row, signs aside.

    patterns: [n, n], the entries read as integers, of which `magnitude` masks the sign. Patterns
        of finite numbers order as the numbers do, below those of infinity and NaN; so `largest`
        [n] gets a pattern too.
    """
    for j in range(len(tops)):
        tops[j] = similarity[0, j]
    for i in range(len(similarity)):
        row, pattern = similarity[i], patterns[i]
        most = pattern[0] & magnitude
        for j in range(len(row)):
            most = max(most, pattern[j] & magnitude)
            tops[j] = max(tops[j], row[j])
        largest[i] = most


def row_gaps(similarity: Array, prices: Array, assigned: Array, gaps: Array) -> None:
    """Into gaps [n]: how much more row i would get from its best column than from its own."""
    lanes = 64
    best = np.empty(lanes)
    n = len(prices)
    for i in range(n):
        own = similarity[i, assigned[i]] - prices[assigned[i]]
        for k in range(lanes):
            best[k] = own
        for start in range(0, n, lanes):
            row, price = similarity[i, start : start + lanes], prices[start : start + lanes]
            for k in range(len(row)):
                best[k] = max(best[k], row[k] - price[k])
        most = own
        for k in range(lanes):
            most = max(most, best[k])
        gaps[i] = most - own


def solve(
    similarity: Array, largest: Array, tops: Array, prices: Array, assigned: Array, warm: bool
) -> None:
    """The optimal assignment, and prices at which every row wants what it has.

    largest, tops: what `survey` found.
    prices [n] float64, assigned [n] int64: overwritten; to begin with, if `warm`, those of an
        earlier matrix.
    """
    n = len(prices)
    room = min(n, ROOM)
    lanes = MANY_LANES if n >= MANY_LANES * 8 else FEW_LANES
    lists = Lists(
        np.empty((n, room), np.int32),
        np.empty((n, room), similarity.dtype),
        np.empty(n, np.int64),
        np.empty(n),
        np.empty(lanes, similarity.dtype),
    )
    market = Market(prices, np.empty(n, similarity.dtype), assigned, np.empty(n, np.int64))
    free = np.empty(n, np.int64)
    waiting = n
    if warm:
        waiting = _assign_wanted(similarity, largest, lists, market, free)
    haste = HASTE if waiting > CALM * n else 0.0
    if waiting > COLD * n:
        for j in range(n):
            prices[j] = tops[j] * START
            assigned[j] = NOWHERE
        waiting = _assign_wanted(similarity, largest, lists, market, free)
    for more in (haste, 0.0, 0.0):
        waiting = _bid(similarity, largest, lists, market, free, waiting, more, 0.0)
        if more > 0:
            waiting = _release(similarity, largest, lists, market, free)
    search = Search(
        np.empty(2 * n),
        np.empty(2 * n, np.int64),
        np.empty(2 * n, np.int64),
        np.empty(n),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
    )
    for j in range(n):
        search.places[j] = search.places[n + j] = NOWHERE
        search.done[j] = search.renewed[j] = NOWHERE
    effort, number, turn, patient = 0, 0, 0, True
    while turn < waiting:
        effort += _augment(similarity, largest, lists, market, search, free[turn], number)
        turn, number = turn + 1, number + 1
        if patient and effort > PATIENCE * n:
            waiting = _settle_roughly(similarity, largest, lists, market, free)
            turn, patient = 0, False


@_compiled
def _settle_roughly(
    similarity: Array, largest: Array, lists: Lists, market: Market, free: Array
) -> int:
    """Bids with steps from coarse to fine (Bertsekas's scaling). Returns how many rows are free.

    Where all rows want much the same, as those of a matrix of low rank do, chains are long, and
    small steps lead to a war of bids; large ones first bring the prices about where they belong.
    """
    scale = 0.0
    for i in range(len(largest)):
        scale += largest[i] / len(largest)
    waiting = _release(similarity, largest, lists, market, free)
    step = COARSE * scale
    while step > FINE * scale:
        waiting = _bid(similarity, largest, lists, market, free, waiting, 0.0, step)
        waiting = _release(similarity, largest, lists, market, free)
        step /= FINER
    for _ in range(2):
        waiting = _bid(similarity, largest, lists, market, free, waiting, 0.0, 0.0)
    return waiting


@_compiled
def _assign_wanted(
    similarity: Array, largest: Array, lists: Lists, market: Market, free: Array
) -> int:
    """Shortens all rows and gives each what it wants, if it is free. Returns how many are left."""
    prices, rounded, assigned, owner = market
    waiting = 0
    for j in range(len(prices)):
        rounded[j], owner[j] = prices[j], NOWHERE
    for i in range(len(prices)):
        _shorten(i, similarity, largest, lists, rounded)
        best, column, _, _ = _choices(i, lists, market)
        if best < lists.bounds[i]:
            best, column, _, _ = _dense_choices(i, similarity, market)
        own = assigned[i]
        if own != NOWHERE and similarity[i, own] - prices[own] >= best:
            column = own
        if owner[column] == NOWHERE:
            owner[column] = i
            assigned[i] = column
        else:
            assigned[i] = NOWHERE
            free[waiting] = i
            waiting += 1
    return waiting


@_compiled
def _release(similarity: Array, largest: Array, lists: Lists, market: Market, free: Array) -> int:
    """Frees every row whose column it does not want. Returns how many are free."""
    prices, _, assigned, owner = market
    waiting = 0
    for i in range(len(prices)):
        own = assigned[i]
        if own != NOWHERE:
            if similarity[i, own] - prices[own] >= _best_value(
                i, similarity, largest, lists, market
            ):
                continue
            owner[own] = NOWHERE
            assigned[i] = NOWHERE
        free[waiting] = i
        waiting += 1
    return waiting


@_compiled
def _bid(
    similarity: Array,
    largest: Array,
    lists: Lists,
    market: Market,
    free: Array,
    waiting: int,
    haste: float,
    step: float,
) -> int:
    """Lets every free row bid once, and after it those that are thrown out.

    Rows that cannot raise a price, two columns being equally good and both taken, stay free; so do
    those still without a column when the bids are used up. Returns how many are left in `free`.

    haste, step: what is added to a bid, as a share of the distance from the row's best column to
        its bound, and as it is.
    """
    prices, rounded, assigned, owner = market
    left = 0
    budget = BIDS * len(prices)
    for k in range(waiting):
        i = free[k]
        while budget > 0:
            budget -= 1
            first, here, second, there = _choices(i, lists, market)
            if second < lists.bounds[i]:
                _shorten(i, similarity, largest, lists, rounded)
                first, here, second, there = _choices(i, lists, market)
                if second < lists.bounds[i]:
                    first, here, second, there = _dense_choices(i, similarity, market)
            previous = owner[here]
            rise = step + (first - second if there != NOWHERE else 0.0)
            if haste > 0 and lists.bounds[i] > -np.inf:
                rise += haste * max(first - lists.bounds[i], 0.0)
            if previous != NOWHERE and rise <= 0:
                break
            prices[here] += rise
            rounded[here] = prices[here]
            owner[here] = i
            assigned[i] = here
            i = previous
            if i == NOWHERE:
                break
            assigned[i] = NOWHERE
        if i != NOWHERE:
            free[left] = i
            left += 1
    return left


@_compiled
def _augment(
    similarity: Array,
    largest: Array,
    lists: Lists,
    market: Market,
    search: Search,
    start: int,
    number: int,
) -> int:
    """Finds the cheapest chain from the free row `start` to a free column, and moves along it.

    A step from row i to column j costs what i would lose against its best column; columns that are
    taken lead on to their owners at no cost. The `number` distinguishes the marks of this search
    from others'.
    Returns how many columns were looked beyond.
    """
    prices, rounded, assigned, owner = market
    n = len(prices)
    row, whole, spent = start, False, 0.0
    search.reach[row] = _best_value(row, similarity, largest, lists, market)
    limit, end, size, settled = np.inf, NOWHERE, 0, 0
    while True:
        for k in range(n if whole else lists.counts[row]):
            if whole:
                column, score = k, similarity[row, k]
            else:
                column, score = lists.columns[row, k], lists.scores[row, k]
            cost = max(search.reach[row] - (score - prices[column]), spent)
            if cost >= limit or search.done[column] == number:
                continue
            if owner[column] == NOWHERE:
                limit, end = cost, column
                search.came[column] = row
            elif search.places[column] == NOWHERE or cost < search.keys[column]:
                search.came[column] = row
                size = _offer(column, cost, size, search)
        if not whole:
            cost = max(search.reach[row] - lists.bounds[row], spent)
            if cost < limit:
                size = _offer(n + row, cost, size, search)
        if size == 0:
            break
        item = _take(size, search)
        size -= 1
        spent = search.keys[item]
        if spent >= limit:
            break
        whole = False
        if item < n:
            search.done[item] = number
            search.settled[settled] = item
            settled += 1
            row = owner[item]
            search.reach[row] = spent + (similarity[row, item] - prices[item])
        else:
            row = item - n
            whole = search.renewed[row] == number
            if not whole:
                search.renewed[row] = number
                _shorten(row, similarity, largest, lists, rounded)
    for k in range(size):
        search.places[search.heap[k]] = NOWHERE
    for k in range(settled):
        column = search.settled[k]
        prices[column] += limit - search.keys[column]
        rounded[column] = prices[column]
    column = end
    while True:
        row = search.came[column]
        previous = assigned[row]
        owner[column] = row
        assigned[row] = column
        if row == start:
            return settled
        column = previous


@_compiled
def _best_value(i: int, similarity: Array, largest: Array, lists: Lists, market: Market) -> float:
    """The largest S[i, j] - p[j] of row i."""
    best = _choices(i, lists, market)[0]
    if best < lists.bounds[i]:
        _shorten(i, similarity, largest, lists, market.rounded)
        best = _choices(i, lists, market)[0]
        if best < lists.bounds[i]:
            best = _dense_choices(i, similarity, market)[0]
    return best


@_compiled
def _choices(i: int, lists: Lists, market: Market) -> tuple[float, int, float, int]:
    """Value and column of row i's first and second choice among its candidates."""
    first = second = -np.inf
    here = there = NOWHERE
    for k in range(lists.counts[i]):
        column = lists.columns[i, k]
        value = lists.scores[i, k] - market.prices[column]
        if value > first or (value == first and _sooner(i, column, here, market.owner)):
            first, here, second, there = value, column, first, here
        elif value > second:
            second, there = value, column
    return first, here, second, there


@_compiled
def _dense_choices(i: int, similarity: Array, market: Market) -> tuple[float, int, float, int]:
    """Value and column of row i's first and second choice among all columns."""
    first = second = -np.inf
    here = there = NOWHERE
    for column in range(len(market.prices)):
        value = similarity[i, column] - market.prices[column]
        if value > first or (value == first and _sooner(i, column, here, market.owner)):
            first, here, second, there = value, column, first, here
        elif value > second:
            second, there = value, column
    return first, here, second, there


@_compiled
def _sooner(i: int, column: int, other: int, owner: Array) -> bool:
    """The rule for ties: does row i prefer `column` to `other`, which is worth as much?"""
    free, taken = bool(owner[column] == NOWHERE), bool(owner[other] != NOWHERE)
    if free == taken:
        return free
    n = len(owner)
    return bool((column - i) % n < (other - i) % n)


@_compiled
def _shorten(i: int, similarity: Array, largest: Array, lists: Lists, rounded: Array) -> None:
    """Notes the best columns of row i at the prices of the moment, and the bound on all others.

    Column j belongs to lane j mod `lanes`. At least as many columns as lanes reach a value that so
    many maxima of lanes reach: halving finds one that `WANTED` lanes reach and hardly more do.
    """
    row, n, room = similarity[i], len(rounded), lists.columns.shape[1]
    columns, scores, tops = lists.columns[i], lists.scores[i], lists.tops
    if n <= room:
        for j in range(n):
            columns[j], scores[j] = j, row[j]
        lists.counts[i], lists.bounds[i] = n, -np.inf
        return
    lanes = len(tops)
    for k in range(lanes):
        tops[k] = row[k] - rounded[k]
    for begin in range(lanes, n, lanes):
        part, price = row[begin : begin + lanes], rounded[begin : begin + lanes]
        for k in range(len(part)):
            tops[k] = max(tops[k], part[k] - price[k])
    best = tops[0]
    least = tops[0]
    for k in range(lanes):
        best, least = max(best, tops[k]), min(least, tops[k])
    high = best
    for _ in range(12):
        middle = least + (high - least) / 2
        reaching = 0
        for k in range(lanes):
            reaching += tops[k] >= middle
        if reaching >= WANTED:
            least = middle
            if reaching <= WANTED + WANTED // 2:
                break
        else:
            high = middle
    while True:
        count = 0
        for lane in range(lanes):
            if tops[lane] >= least:
                for j in range(lane, n, lanes):
                    if row[j] - rounded[j] >= least:
                        if count < room:
                            columns[count], scores[count] = j, row[j]
                        count += 1
        if count <= room:
            break
        if least == best:
            count = 0
            for k in range(n):
                j = (i + k) % n
                if row[j] - rounded[j] >= least:
                    columns[count], scores[count] = j, row[j]
                    count += 1
                    if count == room:
                        break
            break
        middle = least + (best - least) / 2
        least = middle if middle > least else best
    lists.counts[i] = count
    # Rounding moves S - p by at most eps (|S| + 2 |S - p|) / 2, which is monotone in S - p
    unit = np.finfo(similarity.dtype).eps
    lists.bounds[i] = least + unit * (largest[i] + 2 * abs(least))


@_compiled
def _offer(item: int, key: float, size: int, search: Search) -> int:
    """Puts an item into a heap of `size`, or lowers its key there. Returns the new size."""
    keys, heap, places = search.keys, search.heap, search.places
    place = places[item]
    if place == NOWHERE:
        place = size
        size += 1
    keys[item] = key
    while place > 0:
        parent = (place - 1) >> 1
        if keys[heap[parent]] <= key:
            break
        heap[place] = heap[parent]
        places[heap[place]] = place
        place = parent
    heap[place] = item
    places[item] = place
    return size


@_compiled
def _take(size: int, search: Search) -> int:
    """Takes the item with the smallest key out of a heap of `size`."""
    keys, heap, places = search.keys, search.heap, search.places
    taken = heap[0]
    places[taken] = NOWHERE
    last = heap[size - 1]
    size -= 1
    if size == 0:
        return int(taken)
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and keys[heap[child + 1]] < keys[heap[child]]:
            child += 1
        if keys[heap[child]] >= keys[last]:
            break
        heap[place] = heap[child]
        places[heap[place]] = place
        place = child
    heap[place] = last
    places[last] = place
    return int(taken)
