/* SPDX-License-Identifier: BSD-2-Clause */
/* moqt URIs (draft-ietf-moq-transport-18 section 3.1.1): moqt://host[:port][/path][?query]. */
#ifndef INLAY_MOQ_URI_H
#define INLAY_MOQ_URI_H

#include "inlay_types.h"

struct inlay_uri {
	char host[256];	     /* without brackets */
	char authority[280]; /* as written */
	char path[1024];     /* with the query; may be empty */
	__u16 port;
};

/* 0; -EINVAL: |*ret_why| says what is wrong with it, for a person. */
int inlay_uri_parse(const char *text, struct inlay_uri *ret, const char **ret_why);
/* Up to |n| addresses of the host; how many, or -EADDRNOTAVAIL: |*ret_why| is the resolver's text.
 */
int inlay_uri_resolve(const struct inlay_uri *uri, struct inlay_addr *addrs, int n,
		      const char **ret_why);

#endif
