"""One table: what is stated of accuracies and of task properties, what we say to it, and the counterexample, checked live.

P1 = arXiv 2308.08268 and P2 = arXiv 2407.17963, both paraphrased; "-" is stated by neither. We say
    holds      it is so, as stated;
    refined    it is so in a sharper or a narrower form, which is given;
    refuted    a source states it, and it is not so as stated.
What no source states is refined, never refuted. Each check looks at plain integers first and at the package's answer second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.statements.accuracies import (
    a_trained_length_biases_products,
    far_below_the_reciprocal_at_the_threshold,
    mod_150_is_right_exactly_a_third_of_the_time,
    products_do_not_tend_to_the_reciprocal,
    right_when,
    the_authors_rows_do_not_fit_the_reciprocal,
    the_first_error_bound_is_too_small,
    the_threshold_is_where_accuracy_begins,
    truncated_differences_are_sometimes_right,
    truncated_products_are_right_at_zero,
    truncated_sums_are_never_right,
)
from tests.statements.decidability import (
    a_finite_machine_means_degree_one,
    addition_is_translation_invariant,
    finite_grids_decide,
    io_memory_is_a_logarithm,
    linear_carries_are_aperiodic,
    products_need_as_many_states_as_there_are_low_words,
    residues_hold_an_affine_group,
    shift_equivariance_is_not_enough,
    slopes_decide_what_is_aperiodic,
    smaller_grids_do_not_decide,
    what_stops_is_not_translation_invariant,
)
from tests.statements.digits import (
    a_modulus_that_never_acts_is_not_learned,
    in_degree_tells_nothing_without_carries,
    longer_powers_do_not_help,
    low_digits_suffice_iff_p_divides_a_power,
    the_influence_on_products_stays,
    the_influence_on_residues_has_period_two,
    the_influence_on_sums_decays,
)


@dataclass(frozen=True)
class Row:
    statement: str
    source: str
    says: str
    shown: str
    check: Callable[[], None]


TABLE = (
    Row("the truncated function is right exactly under the conditions on A, x, C, y, six tasks", "-", "holds", "", right_when),
    Row("a truncated sum is never right on longer operands", "P1", "holds", "", truncated_sums_are_never_right),
    Row("nor is a truncated product", "P1", "refined", "0 * b: 2/(B^(m-1)(B+1)) on D_m, 0 on D_abm", truncated_products_are_right_at_zero),
    Row("truncation means accuracy 0", "-", "refined", "a - b: 1/11 at m = n+1 in base 10", truncated_differences_are_sometimes_right),
    Row("addition mod 150 is right about 1/3 of the time", "P2", "refined", "exactly 1/3", mod_150_is_right_exactly_a_third_of_the_time),
    Row("from the threshold on it is about 1/p'", "P2", "refuted", "p = 197, m = 6: 2/9900", far_below_the_reciprocal_at_the_threshold),
    Row("the threshold is where 1/p' begins", "P2", "refined", "where anything above 0 begins", the_threshold_is_where_accuracy_begins),
    Row("|acc p' - 1| <= (p'/B^k)^2 / (2 (1 - B^-2))", "-", "refined", "B = 2, p = 4, D_ab2: 1 > 2/3", the_first_error_bound_is_too_small),
    Row("multiplication mod p tends to 1/p'", "-", "refined", "p' = 3: 11/27", products_do_not_tend_to_the_reciprocal),
    Row("it tends to the uniform limit at every n", "-", "refined", "p' = 3, n = 1: 98/225", a_trained_length_biases_products),
    Row("the authors' rows fit 1/p'", "-", "refined", "p = 201: chi-square 17.4, exact 2.2", the_authors_rows_do_not_fit_the_reciprocal),
    Row("0 on the grid of D * (degree + 1) is 0 on all integers, D the product of nested divisors", "-", "holds", "", finite_grids_decide),
    Row("their lcm, or D * degree, would do", "-", "refined", "a // 2 // 2 on 0..3, a // 2 on 0..1", smaller_grids_do_not_decide),
    Row("addition is translation invariant", "P2", "holds", "", addition_is_translation_invariant),
    Row("multiplication is not", "P2", "holds", "", products_need_as_many_states_as_there_are_low_words),
    Row("translation invariance is f(Ba, Bb) = B f(a, b)", "-", "refined", "gcd, a + b + 1", shift_equivariance_is_not_enough),
    Row("a finite machine is enough for it", "-", "refined", "(a + b) mod 100, a + b + 5", what_stops_is_not_translation_invariant),
    Row("integer polynomials have a finite machine iff their degree is at most 1", "-", "holds", "", a_finite_machine_means_degree_one),
    Row("linear carries are aperiodic", "-", "holds", "", linear_carries_are_aperiodic),
    Row("floor(log_B(spread)) + 1 groups fix the carry", "-", "refined", "a: spread 0, memory 0", io_memory_is_a_logarithm),
    Row("residues are aperiodic iff every prime of p divides B", "-", "refined", "(3a+3b) mod 30", slopes_decide_what_is_aperiodic),
    Row("else it holds a group of order q ord_q(B)", "-", "holds", "", residues_hold_an_affine_group),
    Row("m low digits suffice iff p divides B^m", "P2", "refined", "(3a+3b) mod 30, a^2 mod 20", low_digits_suffice_iff_p_divides_a_power),
    Row("p that divides 10^m, m > n, is learned too", "-", "refined", "p = 16, n = 3: 49/99, then 1/2", longer_powers_do_not_help),
    Row("mod p >= 2 B^n - 1 cannot be learned from sums of n digits", "-", "holds", "", a_modulus_that_never_acts_is_not_learned),
    Row("in-degree tells sums from products", "-", "refined", "2(i+1) digits into c_i for both", in_degree_tells_nothing_without_carries),
    Row("the influence of a digit on a sum decays as .9 .33 .033 .0033", "-", "holds", "", the_influence_on_sums_decays),
    Row("on a product it stays near .73 to .81 within the operand's length", "-", "holds", "", the_influence_on_products_stays),
    Row("mod 101 it has the period 4 of 10^k", "-", "refined", "period 2", the_influence_on_residues_has_period_two),
)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.check.__name__)
def test_statement(row: Row) -> None:
    row.check()


def test_the_table_says_what_it_may() -> None:
    assert {row.says for row in TABLE} == {"holds", "refined", "refuted"}
    for row in TABLE:
        assert row.source in ("P1", "P2", "-")
        assert bool(row.shown) == (row.says != "holds")
        assert row.says != "refuted" or row.source != "-"
    checks = [row.check for row in TABLE]
    assert len(set(checks)) == len(checks)
