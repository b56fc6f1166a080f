/* SPDX-License-Identifier: BSD-2-Clause */
/* Tracks as they are named on a command line: NAMESPACE--NAME, or, where a content comes in several
 * renditions, NAMESPACE--NAME=VALUE for each. */
#ifndef INLAY_CLI_RENDITION_H
#define INLAY_CLI_RENDITION_H

#include "name.h"

struct inlay_rendition {
	char *track;	   /* as it was written */
	const char *value; /* behind the '='; NULL: there is none */
	__u8 *name_bytes;  /* what |name| points at */
	struct inlay_moq_name name;
};

/* 0; -EINVAL: no track name, or no value where |with_value|; -ENOMEM. inlay_rendition_fini() after
 * each. */
int inlay_rendition_parse(const char *text, bool with_value, struct inlay_rendition *ret);
/* Takes a zeroed one. */
void inlay_rendition_fini(struct inlay_rendition *r);
/* Bits a second: "2500000", "2500k", "2.5M". False: it is none from 1 to 10^12. */
bool inlay_rendition_bit_rate(const char *text, __u64 *ret_bps);

#endif
