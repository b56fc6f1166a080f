/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Track namespaces and full track names (draft-ietf-moq-transport-18 section 2.4.1): on the wire,
 * in comparison, and as people read them (section 1.5). A name points at bytes that somebody else
 * holds, except where it comes from inlay_moq_name_dup().
 *
 * A namespace that was parsed or made by the functions here keeps the draft's limits.
 */
#ifndef INLAY_MOQ_NAME_H
#define INLAY_MOQ_NAME_H

#include "inlay_moq.h"

#define INLAY_MOQ_NAMESPACE_FIELDS 32
#define INLAY_MOQ_NAME_BYTES	   4096 /* of the fields and the track name together */

struct inlay_moq_namespace {
	__u32 n;
	__u32 bytes; /* sum of the fields' lengths */
	struct inlay_moq_bytes field[INLAY_MOQ_NAMESPACE_FIELDS];
};

/* A full track name. */
struct inlay_moq_name {
	struct inlay_moq_namespace ns;
	struct inlay_moq_bytes track;
};

bool inlay_moq_bytes_equal(struct inlay_moq_bytes a, struct inlay_moq_bytes b);
bool inlay_moq_namespace_equal(const struct inlay_moq_namespace *a,
			       const struct inlay_moq_namespace *b);
bool inlay_moq_namespace_has_prefix(const struct inlay_moq_namespace *ns,
				    const struct inlay_moq_namespace *prefix);
bool inlay_moq_name_equal(const struct inlay_moq_name *a, const struct inlay_moq_name *b);
/* The fields of |ns| behind the first |n|; points at the same bytes. */
void inlay_moq_namespace_suffix(const struct inlay_moq_namespace *ns, __u32 n,
				struct inlay_moq_namespace *ret);
/* 0; -E2BIG: over a limit; -EINVAL: an empty field. |data| is not copied. */
int inlay_moq_namespace_add(struct inlay_moq_namespace *ns, const void *data, size_t len);

/* One allocation, to be released by free(). NULL: no memory. */
struct inlay_moq_name *inlay_moq_name_dup(const struct inlay_moq_name *name);
struct inlay_moq_namespace *inlay_moq_namespace_dup(const struct inlay_moq_namespace *ns);

/* On the wire. OK; MORE: cut short; VIOLATION: over a limit, or an empty field. */
enum inlay_moq_verdict inlay_moq18_namespace_parse(struct inlay_cursor *c,
						   struct inlay_moq_namespace *ret);
enum inlay_moq_verdict inlay_moq18_name_parse(struct inlay_cursor *c, struct inlay_moq_name *ret);
/* False: no room. The bytes are the same for equal names: they serve as a key as well. */
bool inlay_moq18_namespace_put(struct inlay_writer *w, const struct inlay_moq_namespace *ns);
bool inlay_moq18_name_put(struct inlay_writer *w, const struct inlay_moq_name *name);

/*
 * "example.2enet-team2--report", terminated. Returns the length without the terminator, as
 * snprintf() does: if it is not below |room|, the text was cut.
 */
size_t inlay_moq_namespace_format(const struct inlay_moq_namespace *ns, char *dst, size_t room);
size_t inlay_moq_name_format(const struct inlay_moq_name *name, char *dst, size_t room);
/*
 * The way back, strict: every name has one text. |storage| takes the bytes that |ret| points at,
 * one for each character of |text| at most. 0; -EINVAL: not a name; -E2BIG: over a limit; -ENOBUFS:
 * |room|.
 */
int inlay_moq_name_scan(const char *text, __u8 *storage, size_t room, struct inlay_moq_name *ret);
int inlay_moq_namespace_scan(const char *text, __u8 *storage, size_t room,
			     struct inlay_moq_namespace *ret);

#endif
