"""Machines that follow alpha*a + beta*b + gamma mod p while they read, and the group they hold.

Most significant digit first the residue r is the state: r' = (B*r + alpha*x + beta*y) mod p. Least significant first the weight w = B^i of
the digit read is needed too: (r, w) -> ((r + w*(alpha*x + beta*y)) mod p, B*w mod p), and gamma is the first r.

Let q be the part of p / gcd(alpha, beta, p) that is prime to B. In either direction the largest group in the transition monoid is
Z_q x| <B mod q>, of order q * ord_q(B): long words act as r -> B^k*r + v, where all v mod q occur and, of p, only q is left. So the
machine is aperiodic iff q = 1, that is iff every prime of p / gcd(alpha, beta, p) divides B.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from theory.automata.machines import Group, Machine, tabulate
from theory.errors import InputError
from theory.proofs.verdicts import Verdict

MAX_MODULUS = 10**18  # the order needs the prime factors


def residue_machine(
    base: int, p: int, direction: str = "lsd", coefficients: tuple[int, int, int] = (1, 1, 0), operands: int = 2
) -> Machine:
    """Follows (alpha*a + beta*b + gamma) mod p and writes the residue so far, as min(residue, B - 1) to fit one digit.

    Of the digits read so far, that is: least significant first of their low part of the operands, most significant first of their high
    part. gamma needs `lsd` (most significant first, every step would multiply it by B).

    Raises:
        InputError: p < 1, gamma with `msd`, beta with one operand, or too many states (`TooLarge`).

    >>> residue_machine(10, 7, "msd").walk((30, 43))[0]  # digits 3,0 and 4,3: the operands 34 and 3, and 37 = 2 mod 7
    2
    """
    alpha, beta, gamma = coefficients
    if p < 1 or direction not in ("lsd", "msd"):
        raise InputError(f"modulus {p} and direction {direction!r}: the modulus must be at least 1, the direction lsd or msd")
    if (gamma % p and direction == "msd") or (beta % p and operands == 1):
        raise InputError("a constant needs direction lsd, a second coefficient two operands")

    def added(group: Group) -> int:
        return sum(slope * digit for slope, digit in zip((alpha, beta), group, strict=False))

    def step_msd(r: int, group: Group) -> tuple[int, int]:
        r = (base * r + added(group)) % p
        return r, min(r, base - 1)

    def step_lsd(state: tuple[int, int], group: Group) -> tuple[tuple[int, int], int]:
        r, w = state
        r = (r + w * added(group)) % p
        return (r, base * w % p), min(r, base - 1)

    if direction == "msd":
        return tabulate(base, operands, 0, step_msd, "msd")
    return tabulate(base, operands, (gamma % p, 1 % p), step_lsd)


def digit_sum_machine(base: int, p: int, operands: int = 1) -> Machine:
    """Writes the sum of the digits read so far mod p, as min(sum, B - 1): the cyclic group Z_p for p >= 2."""
    if p < 1:
        raise InputError(f"modulus {p}: the modulus must be at least 1")

    def step(total: int, group: Group) -> tuple[int, int]:
        total = (total + sum(group)) % p
        return total, min(total, base - 1)

    return tabulate(base, operands, 0, step)


# ------------------------------------------------------------------------------------------------------------------- the group


def prime_to(p: int, base: int) -> int:
    """The largest divisor of p that is prime to the base."""
    while (common := gcd(p, base)) > 1:
        p //= common
    return p


@dataclass(frozen=True)
class Order:
    """base^order = 1 mod q, and base^(order / r) is not for any prime r of the order (`primes` are all of them)."""

    base: int
    q: int
    order: int
    primes: tuple[int, ...]

    def check(self) -> bool:
        rest = self.order
        for prime in self.primes:
            while rest % prime == 0:
                rest //= prime
        minimal = all(pow(self.base, self.order // prime, self.q) != 1 % self.q for prime in self.primes)
        return pow(self.base, self.order, self.q) == 1 % self.q and (minimal or self.q == 1) and rest == 1


def multiplicative_order(base: int, p: int) -> Verdict:
    """The period of B^k mod p (in `digits`): the order of B mod q, q the part of p prime to B. True iff q = p: purely periodic.

    Beyond p = 10^18 the value is None: p is not factored.

    >>> multiplicative_order(10, 101).certificate
    '10^4 = 1 mod 101, and 10^(4/r) is not for r = 2'
    """
    if p < 1 or base < 2:
        raise InputError(f"base {base}, modulus {p}: the base must be at least 2, the modulus at least 1")
    if p > MAX_MODULUS:
        return Verdict(None, "undecided: the order needs the prime factors of the modulus, which is done up to 10^18")
    from sympy import factorint, n_order

    q = prime_to(p, base)
    order = int(n_order(base % q, q)) if q > 1 else 1
    primes = tuple(int(prime) for prime in factorint(order))
    start = f"{base}^{order} = 1 mod {q}" if q > 1 else "1 = 0 mod 1"
    rest = "" if q == p else f", the part of {p} prime to {base}"
    fewer = f", and {base}^({order}/r) is not for r = {', '.join(map(str, primes))}" if primes else ""
    return Verdict(q == p, start + rest + fewer, order, Order(base, q, order, primes))


@dataclass(frozen=True)
class ResidueGroup:
    """Z_q x| <B mod q>: q > 1 is prime to B and divides p / gcd(alpha, beta, p); the order of B is proven where it is known."""

    base: int
    p: int
    slopes: tuple[int, int]
    q: int
    order_of_base: Order | None

    @property
    def order(self) -> int | None:
        """Number of elements of the group, if the order of B is known."""
        return None if self.order_of_base is None else self.q * self.order_of_base.order

    def check(self) -> bool:
        proof, essential = self.order_of_base, self.p // gcd(self.p, *self.slopes)
        known = proof is None or (proof.check() and (proof.base, proof.q) == (self.base, self.q))
        return known and self.q > 1 and gcd(self.q, self.base) == 1 and essential % self.q == 0


@dataclass(frozen=True)
class Absorbed:
    """p / gcd(alpha, beta, p) divides B^digits: only so many digits matter, and words of that length act as constants on the residue."""

    base: int
    p: int
    slopes: tuple[int, int]
    digits: int

    def check(self) -> bool:
        return bool(pow(self.base, self.digits, self.p // gcd(self.p, *self.slopes)) == 0)


def residue_aperiodicity(base: int, p: int, slopes: tuple[int, int] = (1, 1)) -> Verdict:
    """Whether following alpha*a + beta*b mod p is aperiodic, by the theorem of this module, for p up to 10^18 and without a machine.

    True: `digits` is the least m so that p / gcd(alpha, beta, p) divides B^m. False: the order of B mod q, the period of the weights.

    >>> residue_aperiodicity(10, 30).value, residue_aperiodicity(10, 30, slopes=(3, 3)).value
    (False, True)
    """
    if p < 1 or base < 2:
        raise InputError(f"base {base}, modulus {p}: the base must be at least 2, the modulus at least 1")
    essential = p // gcd(p, *slopes)
    q = prime_to(essential, base)
    if q == 1:
        m = next(m for m in range(essential.bit_length() + 1) if pow(base, m, essential) == 0)
        return Verdict(True, f"{_brief(essential)} divides {base}^{m}: every prime of it divides the base", m, Absorbed(base, p, slopes, m))
    found = multiplicative_order(base, q).proof
    group = ResidueGroup(base, p, slopes, q, found if isinstance(found, Order) else None)
    size = f", of order {q} * {group.order // q} = {group.order}" if group.order else ""
    text = f"the group Z_q x| <{base}>{size}: q = {_brief(q)} divides the modulus and is prime to {base}"
    return Verdict(False, text, group.order_of_base.order if group.order_of_base else None, group)


def _brief(number: int) -> str:
    return str(number) if number < 10**20 else f"a number of {len(str(number))} digits"
