/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the programs stand: ingress on every Ethernet interface (or those that the caller names),
 * egress on those and on lo, since a relay's datagrams to itself go there. Ports of a bridge or
 * bond are left to it. How an interface is attached is decided once, when it is first up: what
 * another program leaves later is not taken.
 */
#ifndef INLAY_OFFLOAD_TURN_LINKS_H
#define INLAY_OFFLOAD_TURN_LINKS_H

#include "attach.h"
#include "xdp_features.h"
#include "list.h"
#include "maps.h"

struct inlay_turn_links {
	struct inlay_turn_maps *maps;
	struct nl_sock *sock;	 /* to ask for interfaces */
	struct inlay_genl *genl; /* for inlay_turn_xdp_features(); NULL: the kernel does not tell */
	enum inlay_turn_attach attach;
	char (*names)[16]; /* NULL: all */
	size_t n_names;
	struct inlay_list links;
	bool off;	       /* attach nowhere */
	bool changed;	       /* turn_links, since the owner has last said so here */
	const char *hindrance; /* why nothing goes fast anywhere; NULL: nothing is in the way */
};

/* -ENOMEM; what socket(2) returned. To be given to fini() in any case. */
int inlay_turn_links_init(struct inlay_turn_links *links, struct inlay_turn_maps *maps,
			  const struct inlay_turn_config *config);
/* Detaches everywhere. */
void inlay_turn_links_fini(struct inlay_turn_links *links);

/* Looks which interfaces there are, and attaches what is missing. -EIO: they could not be had. */
int inlay_turn_links_sync(struct inlay_turn_links *links);
/* What redirection can reach may have changed. */
void inlay_turn_links_ask(struct inlay_turn_links *links);
/* |off|: detaches everywhere, and attaches nothing until it is on again. */
void inlay_turn_links_turn_off(struct inlay_turn_links *links, bool off);

/* After the first sync: is it what the caller asked for? -ENOENT: a named interface; -EBUSY:
 * nowhere attached, or NATIVE where it cannot be. */
int inlay_turn_links_check(const struct inlay_turn_links *links,
			   const struct inlay_turn_error *error);
void inlay_turn_links_each(const struct inlay_turn_links *links,
			   void (*each)(void *user, const struct inlay_turn_link_info *info),
			   void *user);

#endif
