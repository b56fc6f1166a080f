/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may be known of a register or a place on the stack: its kind, the few constants that it can
 * be, and how large it can be at most. Less exact than the kernel's verifier, which follows each
 * path by itself: here paths are joined where they meet. Internal to offload/nic/check*.c.
 *
 * A value only ever loses knowledge by a join, in few steps, so that following ends.
 */
#ifndef INLAY_NIC_CHECK_VALUE_H
#define INLAY_NIC_CHECK_VALUE_H

#include "inlay_types.h"

#define INLAY_VALUE_CONSTANTS 6
#define INLAY_VALUE_ANY_MAX   ((__u64)~0ULL)
#define INLAY_VALUE_U32_MAX   0xffffffffULL
#define INLAY_VALUE_ANY_MAP   (-1) /* of the object's: which is not known */
#define INLAY_VALUE_NO_MAP    (-2) /* global data */

enum inlay_value_kind {
	INLAY_VALUE_NONE = 0, /* nothing was written, or no path leads here */
	INLAY_VALUE_SCALAR,
	INLAY_VALUE_CTX,
	INLAY_VALUE_STACK,
	INLAY_VALUE_MAP_VALUE,
	INLAY_VALUE_PACKET,
	INLAY_VALUE_PACKET_END,
	INLAY_VALUE_PACKET_META,
	INLAY_VALUE_MAP,
	INLAY_VALUE_FUNCTION,
	INLAY_VALUE_ANY,   /* a pointer or not: it could not be followed */
	INLAY_VALUE_MIXED, /* a pointer of different kinds, by path */
};

struct inlay_value {
	__u8 kind;
	__u8 n;	      /* of |constants|; 0: too many, or not known */
	__u8 foreign; /* STACK: of a caller's frame */
	__u8 zero;
	__s16 map;				/* MAP, MAP_VALUE: which, or one of the above */
	__u16 zero2;				/* values are compared byte by byte */
	__s64 constants[INLAY_VALUE_CONSTANTS]; /* SCALAR: itself; of pointers: the offset; sorted
						 */
	__u64 max;				/* the same, unsigned, at most */
};

static inline struct inlay_value inlay_value_scalar(__u64 max)
{
	return (struct inlay_value){.kind = INLAY_VALUE_SCALAR, .map = -1, .max = max};
}

static inline struct inlay_value inlay_value_constant(__s64 c)
{
	return (struct inlay_value){
		.kind = INLAY_VALUE_SCALAR, .n = 1, .map = -1, .constants = {c}, .max = (__u64)c};
}

/* A pointer to the beginning of something. */
static inline struct inlay_value inlay_value_pointer(enum inlay_value_kind kind, __s16 map)
{
	return (struct inlay_value){.kind = (__u8)kind, .n = 1, .map = map};
}

static inline struct inlay_value inlay_value_any(void)
{
	return (struct inlay_value){.kind = INLAY_VALUE_ANY, .map = -1, .max = INLAY_VALUE_ANY_MAX};
}

static inline bool inlay_value_is_number(const struct inlay_value *v)
{
	return v->kind == INLAY_VALUE_SCALAR || v->kind == INLAY_VALUE_NONE;
}

/* Adds a constant; too many, and none are known. */
static inline void inlay_value_add_constant(struct inlay_value *v, __s64 c)
{
	__u8 at = 0;

	while (at < v->n && v->constants[at] < c)
		at++;
	if (at < v->n && v->constants[at] == c)
		return;
	if (v->n == INLAY_VALUE_CONSTANTS) {
		v->n = 0;
		return;
	}
	for (__u8 i = v->n; i > at; i--)
		v->constants[i] = v->constants[i - 1];
	v->constants[at] = c;
	v->n++;
}

/* Maxima rise in few steps. */
static inline __u64 inlay_value_round_max(__u64 max)
{
	return max <= 0xff		    ? 0xff
	       : max <= 0xffff		    ? 0xffff
	       : max <= INLAY_VALUE_U32_MAX ? INLAY_VALUE_U32_MAX
					    : INLAY_VALUE_ANY_MAX;
}

/* True if |to| lost knowledge. */
bool inlay_value_join(struct inlay_value *to, const struct inlay_value *from);
/* An instruction's result. |op|: BPF_OP of it; |wide|: of 64 bits. */
struct inlay_value inlay_value_alu(__u8 op, bool wide, const struct inlay_value *a,
				   const struct inlay_value *b);
/* What |a| is where a conditional jump goes this way. False: it never does. */
bool inlay_value_refine(__u8 op, bool wide, bool taken, struct inlay_value *a,
			const struct inlay_value *b);

#endif
