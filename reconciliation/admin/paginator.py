"""A count that ends: a million rows are not counted to show the newest fifty."""

from typing import TYPE_CHECKING, Any, cast

from django.core.paginator import Paginator
from django.utils.functional import cached_property

COUNT_LIMIT = 10_000

if TYPE_CHECKING:
    from django.db.models import QuerySet

    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator


class CappedPaginator(_Paginator):
    """Counts to `COUNT_LIMIT` and says when it stopped there; pages end there as well."""

    @cached_property
    def counted(self) -> int:
        queryset = cast("QuerySet[Any]", self.object_list)
        return queryset.order_by()[: COUNT_LIMIT + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self.counted, COUNT_LIMIT)

    @property
    def shown_limit(self) -> str:
        return f"{COUNT_LIMIT:,}"

    @property
    def capped(self) -> bool:
        return self.counted > COUNT_LIMIT
