/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the checker knows of a value holds of every number that the value can be: after arithmetic,
 * after a join, behind a jump. Random values, each with a number in it, against the arithmetic of
 * the machine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <cmocka.h>

#include "check_value.h"

static __u64 seed;

static __u64 draw(void) /* xorshift64* */
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545f4914f6cdd1dULL;
}

/* Numbers of all sizes, and those at the edges of them. */
static __u64 draw_number(void)
{
	static const __u64 edges[] = {0,	   1,	       7,	   8,
				      0xff,	   0x7fffffff, 0x80000000, 0xffffffff,
				      0x100000000, 1ULL << 63, ~0ULL,	   ~0ULL - 1};

	if (draw() % 3 == 0)
		return edges[draw() % INLAY_ARRAY_SIZE(edges)];
	return draw() >> draw() % 64;
}

/* A value, and a number that it can be. */
static struct inlay_value draw_value(__u64 *ret_number)
{
	struct inlay_value v;

	*ret_number = draw_number();
	if (draw() % 2) {
		v = inlay_value_constant((__s64)*ret_number);
		for (__u64 n = draw() % 4; n; n--) {
			struct inlay_value other = inlay_value_constant((__s64)draw_number());

			inlay_value_join(&v, &other);
		}
		return v;
	}
	v = inlay_value_scalar(*ret_number);
	if (draw() % 2)
		v.max = inlay_value_round_max(v.max);
	return v;
}

static bool can_be(const struct inlay_value *v, __u64 number)
{
	if (v->kind != INLAY_VALUE_SCALAR || number > v->max)
		return false;
	for (__u8 i = 0; i < v->n; i++)
		if ((__u64)v->constants[i] == number)
			return true;
	return !v->n;
}

/* --- Arithmetic --------------------------------------------------------------------------------
 */

static __u64 compute(__u8 op, bool wide, __u64 a, __u64 b)
{
	const __u64 bits = wide ? 63 : 31;

	if (!wide) {
		a = (__u32)a;
		b = (__u32)b;
	}
	switch (op) {
	case BPF_ADD:
		a += b;
		break;
	case BPF_SUB:
		a -= b;
		break;
	case BPF_MUL:
		a *= b;
		break;
	case BPF_DIV:
		a = b ? a / b : 0;
		break;
	case BPF_MOD:
		a = b ? a % b : a;
		break;
	case BPF_OR:
		a |= b;
		break;
	case BPF_AND:
		a &= b;
		break;
	case BPF_XOR:
		a ^= b;
		break;
	case BPF_LSH:
		a <<= b & bits;
		break;
	case BPF_RSH:
		a >>= b & bits;
		break;
	case BPF_ARSH:
		a = wide ? (__u64)((__s64)a >> (b & bits)) : (__u64)((__s32)a >> (b & bits));
		break;
	case BPF_NEG:
		a = -a;
		break;
	default: /* BPF_MOV */
		a = b;
	}
	return wide ? a : (__u32)a;
}

static void arithmetic_holds_of_every_number(void **state)
{
	static const __u8 ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV,	BPF_MOD, BPF_OR, BPF_AND,
				   BPF_XOR, BPF_LSH, BPF_RSH, BPF_ARSH, BPF_NEG, BPF_MOV};
	int rounds = getenv("INLAY_FULL") ? 20000000 : 400000;

	seed = 7;
	for (int i = 0; i < rounds; i++) {
		__u8 op = ops[draw() % INLAY_ARRAY_SIZE(ops)];
		bool wide = draw() % 2;
		__u64 x, y, z;
		struct inlay_value a = draw_value(&x), b = draw_value(&y), c;

		c = inlay_value_alu(op, wide, &a, &b);
		z = compute(op, wide, x, y);
		if (!can_be(&c, z))
			fail_msg("op 0x%x, %s: 0x%llx and 0x%llx are 0x%llx, not of (%u, max "
				 "0x%llx)",
				 op, wide ? "wide" : "narrow", (unsigned long long)x,
				 (unsigned long long)y, (unsigned long long)z, c.n,
				 (unsigned long long)c.max);
	}
}

/* --- Joins -------------------------------------------------------------------------------------
 */

static void a_join_holds_of_both(void **state)
{
	seed = 8;
	for (int i = 0; i < 200000; i++) {
		__u64 x, y;
		struct inlay_value a = draw_value(&x), b = draw_value(&y), c = a;
		bool changed = inlay_value_join(&c, &b);

		assert_true(can_be(&c, x) && can_be(&c, y));
		assert_int_equal(changed, memcmp(&a, &c, sizeof(a)) != 0);
		/* It has come to rest. */
		assert_false(inlay_value_join(&c, &b));
		assert_false(inlay_value_join(&c, &a));
	}
}

static void joins_end(void **state)
{
	seed = 9;
	for (int i = 0; i < 2000; i++) {
		__u64 x;
		struct inlay_value a = draw_value(&x);
		int changes = 0;

		for (int j = 0; j < 200; j++) {
			struct inlay_value b = draw_value(&x);

			b.kind = (__u8)(INLAY_VALUE_SCALAR + draw() % INLAY_VALUE_MIXED);
			changes += inlay_value_join(&a, &b);
		}
		assert_true(changes <= 16);
	}
}

/* --- Jumps -------------------------------------------------------------------------------------
 */

static bool jumps(__u8 op, bool wide, __u64 a, __u64 b)
{
	__s64 s = wide ? (__s64)a : (__s32)a, t = wide ? (__s64)b : (__s32)b;

	if (!wide) {
		a = (__u32)a;
		b = (__u32)b;
	}
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSET:
		return a & b;
	case BPF_JSGT:
		return s > t;
	case BPF_JSGE:
		return s >= t;
	case BPF_JSLT:
		return s < t;
	default: /* BPF_JSLE */
		return s <= t;
	}
}

static void behind_a_jump_a_value_holds_of_the_numbers_that_go_there(void **state)
{
	static const __u8 ops[] = {BPF_JEQ,  BPF_JNE,  BPF_JGT,	 BPF_JGE,  BPF_JLT, BPF_JLE,
				   BPF_JSET, BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE};
	int dead = 0;

	seed = 10;
	for (int i = 0; i < 400000; i++) {
		__u8 op = ops[draw() % INLAY_ARRAY_SIZE(ops)];
		bool wide = draw() % 2, taken;
		__u64 x, y;
		struct inlay_value a = draw_value(&x), b = draw_value(&y), other;

		taken = jumps(op, wide, x, y);
		other = a;
		dead += !inlay_value_refine(op, wide, !taken, &other, &b);
		assert_true(inlay_value_refine(op, wide, taken, &a, &b));
		if (!can_be(&a, x))
			fail_msg("op 0x%x: 0x%llx against 0x%llx", op, (unsigned long long)x,
				 (unsigned long long)y);
	}
	assert_true(dead > 1000); /* it does tell something */
}

static void a_pointer_keeps_its_offsets(void **state)
{
	const struct inlay_value eight = inlay_value_constant(8), back = inlay_value_constant(-16);
	struct inlay_value p = inlay_value_pointer(INLAY_VALUE_STACK, -1), q, any;

	q = inlay_value_alu(BPF_ADD, true, &p, &back);
	assert_int_equal(q.kind, INLAY_VALUE_STACK);
	assert_int_equal(q.n, 1);
	assert_int_equal(q.constants[0], -16);
	p = inlay_value_alu(BPF_ADD, true, &q, &eight);
	assert_int_equal(p.constants[0], -8);
	assert_true(inlay_value_join(&p, &q));
	assert_int_equal(p.n, 2);
	any = inlay_value_scalar(0xff);
	q = inlay_value_alu(BPF_ADD, true, &p, &any);
	assert_int_equal(q.n, 0); /* somewhere on the stack */
	assert_int_equal(q.kind, INLAY_VALUE_STACK);
	p = inlay_value_pointer(INLAY_VALUE_PACKET, -1);
	assert_true(inlay_value_join(&q, &p));
	assert_int_equal(q.kind, INLAY_VALUE_MIXED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arithmetic_holds_of_every_number),
		cmocka_unit_test(a_join_holds_of_both),
		cmocka_unit_test(joins_end),
		cmocka_unit_test(behind_a_jump_a_value_holds_of_the_numbers_that_go_there),
		cmocka_unit_test(a_pointer_keeps_its_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
