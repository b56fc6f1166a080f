/* SPDX-License-Identifier: BSD-2-Clause */
#include "check_value.h"

#include <linux/bpf.h>
#include <string.h>

/* --- Joining ---------------------------------------------------------------------------------- */

static bool join_constants(struct inlay_value *to, const struct inlay_value *from)
{
	__u8 before = to->n;

	if (!before)
		return false;
	if (!from->n) {
		to->n = 0;
		return true;
	}
	for (__u8 i = 0; i < from->n; i++) {
		inlay_value_add_constant(to, from->constants[i]);
		if (!to->n)
			break;
	}
	return to->n != before;
}

static bool join_max(struct inlay_value *to, const struct inlay_value *from)
{
	if (from->max <= to->max)
		return false;
	to->max = inlay_value_round_max(from->max);
	return true;
}

/* A number beside a pointer is the NULL that nobody reads through: the kernel's verifier sees to
 * that. */
static __u8 joined_kind(const struct inlay_value *a, const struct inlay_value *b)
{
	if (a->kind == b->kind || b->kind == INLAY_VALUE_SCALAR)
		return a->kind;
	if (a->kind == INLAY_VALUE_SCALAR)
		return b->kind;
	if (a->kind == INLAY_VALUE_ANY || b->kind == INLAY_VALUE_ANY)
		return a->kind == INLAY_VALUE_MIXED || b->kind == INLAY_VALUE_MIXED
			       ? INLAY_VALUE_MIXED
			       : INLAY_VALUE_ANY;
	return INLAY_VALUE_MIXED;
}

bool inlay_value_join(struct inlay_value *to, const struct inlay_value *from)
{
	struct inlay_value before = *to;
	__u8 kind;

	if (from->kind == INLAY_VALUE_NONE || !memcmp(to, from, sizeof(*to)))
		return false;
	if (to->kind == INLAY_VALUE_NONE) {
		*to = *from;
		return true;
	}
	kind = joined_kind(to, from);
	if (to->kind == from->kind) {
		join_constants(to, from);
		join_max(to, from);
	} else if (to->kind == INLAY_VALUE_SCALAR && kind == from->kind) {
		*to = *from; /* its offset is the pointer's */
	}
	to->kind = kind;
	if (to->kind == from->kind) {
		to->foreign |= from->foreign;
		if (to->map != from->map)
			to->map = -1;
	}
	return memcmp(to, &before, sizeof(before)) != 0;
}

/* --- Arithmetic ------------------------------------------------------------------------------- */

static __u64 saturate(__u64 a, __u64 b)
{
	return a > INLAY_VALUE_ANY_MAX - b ? INLAY_VALUE_ANY_MAX : a + b;
}

static bool fold(__u8 op, bool wide, __s64 a, __s64 b, __s64 *ret)
{
	__u64 x = (__u64)a, y = (__u64)b;
	__u64 shift = y & (wide ? 63 : 31);

	switch (op) {
	case BPF_ADD:
		x += y;
		break;
	case BPF_SUB:
		x -= y;
		break;
	case BPF_MUL:
		x *= y;
		break;
	case BPF_AND:
		x &= y;
		break;
	case BPF_OR:
		x |= y;
		break;
	case BPF_XOR:
		x ^= y;
		break;
	case BPF_LSH:
		x <<= shift;
		break;
	case BPF_RSH:
		x = wide ? x >> shift : (x & INLAY_VALUE_U32_MAX) >> shift;
		break;
	case BPF_ARSH:
		x = wide ? (__u64)(a >> shift) : (__u64)((__s32)a >> shift);
		break;
	default:
		return false;
	}
	*ret = wide ? (__s64)x : (__s64)(x & INLAY_VALUE_U32_MAX);
	return true;
}

/* All ones up to the highest. */
static __u64 ones(__u64 v)
{
	for (int shift = 1; shift < 64; shift <<= 1)
		v |= v >> shift;
	return v;
}

static __u64 max_of(__u8 op, bool wide, __u64 a, const struct inlay_value *b)
{
	__u64 k = b->n == 1 ? (__u64)b->constants[0] : 0;
	__u64 shift = k & (wide ? 63 : 31);

	switch (op) {
	case BPF_ADD:
		return saturate(a, b->max);
	case BPF_AND:
		return a < b->max ? a : b->max;
	case BPF_OR:
	case BPF_XOR:
		return ones(a | b->max);
	case BPF_LSH:
		return b->n == 1 && a << shift >> shift == a ? a << shift : INLAY_VALUE_ANY_MAX;
	case BPF_RSH:
		return b->n == 1 ? a >> shift : a;
	case BPF_MUL:
		return !a || b->max <= INLAY_VALUE_ANY_MAX / a ? a * b->max : INLAY_VALUE_ANY_MAX;
	default:
		return INLAY_VALUE_ANY_MAX;
	}
}

static void cut32(struct inlay_value *v)
{
	struct inlay_value was = *v;

	if (v->kind != INLAY_VALUE_SCALAR)
		*v = inlay_value_scalar(INLAY_VALUE_U32_MAX);
	v->n = 0;
	for (__u8 i = 0; was.kind == INLAY_VALUE_SCALAR && i < was.n; i++)
		inlay_value_add_constant(v, was.constants[i] & (__s64)INLAY_VALUE_U32_MAX);
	if (v->max > INLAY_VALUE_U32_MAX)
		v->max = INLAY_VALUE_U32_MAX;
}

/* The set of results, if it is small. */
static bool fold_all(__u8 op, bool wide, const struct inlay_value *a, const struct inlay_value *b,
		     struct inlay_value *ret)
{
	__s64 c;

	if (!a->n || !b->n)
		return false;
	ret->max = 0;
	for (__u8 i = 0; i < a->n; i++) {
		for (__u8 j = 0; j < b->n; j++) {
			if (!fold(op, wide, a->constants[i], b->constants[j], &c))
				return false;
			inlay_value_add_constant(ret, c);
			if (!ret->n)
				return false;
			if ((__u64)c > ret->max)
				ret->max = (__u64)c;
		}
	}
	return true;
}

static struct inlay_value number(__u8 op, bool wide, struct inlay_value a, struct inlay_value b)
{
	struct inlay_value ret = inlay_value_scalar(0);

	/* To the kernel's verifier these may be anything, and not of 32 bits either: what it does
	 * not know a driver does not. */
	if (op == BPF_DIV || op == BPF_MOD || op == BPF_NEG)
		return inlay_value_scalar(INLAY_VALUE_ANY_MAX);
	if (!wide) {
		cut32(&a);
		cut32(&b);
	}
	if (fold_all(op, wide, &a, &b, &ret))
		return ret;
	ret = inlay_value_scalar(max_of(op, wide, a.max, &b));
	if (!wide && ret.max > INLAY_VALUE_U32_MAX)
		ret.max = INLAY_VALUE_U32_MAX;
	return ret;
}

/* A pointer and a number: |op| is add or subtract. */
static struct inlay_value moved(__u8 op, const struct inlay_value *pointer,
				const struct inlay_value *by)
{
	struct inlay_value ret = *pointer, offset = *pointer;

	offset.kind = INLAY_VALUE_SCALAR;
	ret.n = 0;
	if (by->n == 1) {
		__s64 step =
			op == BPF_ADD ? by->constants[0] : (__s64)(0 - (__u64)by->constants[0]);

		if (step >= 0)
			ret.max = saturate(pointer->max, (__u64)step);
		else
			ret.max = pointer->max > 0 - (__u64)step ? pointer->max + (__u64)step : 0;
	} else if (op == BPF_ADD) {
		ret.max = saturate(pointer->max, by->max);
	}
	offset.n = pointer->n;
	offset.max = 0;
	if (pointer->n && by->n) {
		struct inlay_value sums = inlay_value_scalar(0);

		if (fold_all(op, true, &offset, by, &sums)) {
			ret.n = sums.n;
			memcpy(ret.constants, sums.constants, sizeof(ret.constants));
		}
	}
	return ret;
}

struct inlay_value inlay_value_alu(__u8 op, bool wide, const struct inlay_value *a,
				   const struct inlay_value *b)
{
	bool a_number = inlay_value_is_number(a), b_number = inlay_value_is_number(b);

	if (op == BPF_MOV) {
		struct inlay_value ret = *b;

		if (!wide)
			cut32(&ret);
		return ret;
	}
	if (a_number && b_number)
		return number(op, wide, *a, *b);
	if (!wide)
		return inlay_value_scalar(INLAY_VALUE_U32_MAX);
	if (op == BPF_ADD && b_number)
		return moved(op, a, b);
	if (op == BPF_ADD && a_number)
		return moved(op, b, a);
	if (op == BPF_SUB && b_number)
		return moved(op, a, b);
	return inlay_value_scalar(INLAY_VALUE_ANY_MAX);
}

/* --- Jumps ------------------------------------------------------------------------------------ */

static bool holds(__u8 op, bool wide, __s64 a, __s64 b)
{
	__u64 x = wide ? (__u64)a : (__u32)a, y = wide ? (__u64)b : (__u32)b;
	__s64 s = wide ? a : (__s32)a, t = wide ? b : (__s32)b;

	switch (op) {
	case BPF_JEQ:
		return x == y;
	case BPF_JNE:
		return x != y;
	case BPF_JGT:
		return x > y;
	case BPF_JGE:
		return x >= y;
	case BPF_JLT:
		return x < y;
	case BPF_JLE:
		return x <= y;
	case BPF_JSET:
		return x & y;
	case BPF_JSGT:
		return s > t;
	case BPF_JSGE:
		return s >= t;
	case BPF_JSLT:
		return s < t;
	default:
		return s <= t;
	}
}

static bool knows(__u8 op)
{
	return op != BPF_JA && op != BPF_CALL && op != BPF_EXIT && op <= BPF_JSLE;
}

static bool refine_constants(__u8 op, bool wide, bool taken, struct inlay_value *a, __s64 k)
{
	struct inlay_value left = *a;

	left.n = 0;
	left.max = 0;
	for (__u8 i = 0; i < a->n; i++) {
		if (holds(op, wide, a->constants[i], k) != taken)
			continue;
		inlay_value_add_constant(&left, a->constants[i]);
		if ((__u64)a->constants[i] > left.max)
			left.max = (__u64)a->constants[i];
	}
	if (!left.n)
		return false;
	*a = left;
	return true;
}

bool inlay_value_refine(__u8 op, bool wide, bool taken, struct inlay_value *a,
			const struct inlay_value *b)
{
	__u64 k, most = INLAY_VALUE_ANY_MAX;

	if (a->kind != INLAY_VALUE_SCALAR || b->kind != INLAY_VALUE_SCALAR || b->n != 1 ||
	    !knows(op))
		return true;
	if (a->n)
		return refine_constants(op, wide, taken, a, b->constants[0]);
	k = wide ? (__u64)b->constants[0] : (__u32)b->constants[0];
	if (!wide && a->max > INLAY_VALUE_U32_MAX)
		return true;
	if ((op == BPF_JEQ && taken) || (op == BPF_JNE && !taken))
		*a = inlay_value_constant((__s64)k);
	else if ((op == BPF_JGT && !taken) || (op == BPF_JLE && taken))
		most = k;
	else if (((op == BPF_JGE && !taken) || (op == BPF_JLT && taken)) && k)
		most = k - 1;
	if (a->max > most)
		a->max = most;
	return true;
}
