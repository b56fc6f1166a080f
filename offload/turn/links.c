/* SPDX-License-Identifier: BSD-2-Clause */
/* See links.h. */
#include "links.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netdev_family.h"

struct link {
	struct inlay_list node;
	__u32 ifindex;
	char name[IFNAMSIZ];
	bool seen; /* in this round */
	bool up, loopback, ethernet, wanted;
	bool veth;	       /* frames that it sends must find room at its peer */
	char master[IFNAMSIZ]; /* whose port it is; not a VRF */
	struct inlay_turn_hook xdp, ingress, egress;
	bool decided; /* between XDP and TC */
	bool generic;
	__u64 features;
	__u32 flags; /* as turn_links has them */
	/* Why not better; empty: nothing. XDP is decided once, TC tried again. */
	char no_xdp[96], no_tc[96];
};

/* --- Records -------------------------------------------------------------------------------- */

static struct link *find_link(const struct inlay_turn_links *links, __u32 ifindex)
{
	struct inlay_list *node;

	inlay_list_for_each (node, &links->links) {
		struct link *link = inlay_list_entry(node, struct link, node);

		if (link->ifindex == ifindex)
			return link;
	}
	return NULL;
}

static void detach(struct inlay_turn_links *links, struct link *link)
{
	inlay_turn_maps_set_link(links->maps, link->ifindex, 0);
	links->changed |= link->flags != 0;
	link->flags = 0;
	inlay_turn_hook_drop(&link->xdp);
	inlay_turn_hook_drop(&link->ingress);
	inlay_turn_hook_drop(&link->egress);
	link->decided = false;
	link->generic = false;
	link->no_xdp[0] = 0;
	link->no_tc[0] = 0;
}

static void forget(struct inlay_turn_links *links, struct link *link)
{
	detach(links, link);
	inlay_list_remove(&link->node);
	free(link);
}

static struct link *add_link(struct inlay_turn_links *links, __u32 ifindex)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->ifindex = ifindex;
	link->xdp = INLAY_TURN_NO_HOOK;
	link->ingress = INLAY_TURN_NO_HOOK;
	link->egress = INLAY_TURN_NO_HOOK;
	inlay_list_append(&links->links, &link->node);
	return link;
}

static bool is_wanted(const struct inlay_turn_links *links, const char *name)
{
	for (size_t i = 0; i < links->n_names; i++)
		if (!strcmp(links->names[i], name))
			return true;
	return !links->names;
}

/* --- Attaching ------------------------------------------------------------------------------ */

enum { TROUBLE = sizeof(((struct link *)NULL)->no_tc) };

static void note(char *trouble, const char *what, int err)
{
	if (err)
		snprintf(trouble, TROUBLE, "%s: %s", what, strerror(-err));
	else
		snprintf(trouble, TROUBLE, "%s", what);
}

static void attach_xdp(struct inlay_turn_links *links, struct link *link)
{
	int err;

	link->decided = true;
	if (links->attach == INLAY_TURN_ATTACH_TC)
		return;
	link->generic = links->attach == INLAY_TURN_ATTACH_GENERIC;
	err = inlay_turn_hook_xdp(&link->xdp, links->maps->xdp, link->ifindex, link->generic);
	if (err == -EBUSY)
		note(link->no_xdp, "another XDP program stands there, which is left alone", 0);
	else if (err == -EOPNOTSUPP)
		note(link->no_xdp, "its driver has no XDP", 0);
	else if (err)
		note(link->no_xdp, "its driver refuses XDP", err);
}

/* TC stands behind XDP, too, and relays what XDP passed for want of a way out. */
static void attach_link(struct inlay_turn_links *links, struct link *link)
{
	bool port = link->master[0], ingress;
	int err;

	if (links->off || !link->up || port || !(link->ethernet || link->loopback))
		return;
	ingress = link->ethernet && link->wanted;
	link->no_tc[0] = 0;
	if (!inlay_turn_hook_is_set(&link->egress)) {
		err = inlay_turn_hook_tc(&link->egress, links->maps->egress, link->ifindex, true,
					 &link->ingress);
		if (err)
			note(link->no_tc, "what the server sends there cannot be seen", err);
	}
	if (ingress && !link->decided)
		attach_xdp(links, link);
	if (ingress && !inlay_turn_hook_is_set(&link->ingress) &&
	    (links->attach != INLAY_TURN_ATTACH_NATIVE || inlay_turn_hook_is_set(&link->xdp))) {
		err = inlay_turn_hook_tc(&link->ingress, links->maps->ingress, link->ifindex, false,
					 &link->egress);
		if (err)
			note(link->no_tc, "TC cannot be attached", err);
	}
}

static __u32 flags_of(const struct link *link)
{
	bool xdp = inlay_turn_hook_is_set(&link->xdp);
	bool ingress = xdp || inlay_turn_hook_is_set(&link->ingress);
	/* Generic XDP sends through the ordinary way out, which every interface has. */
	bool xmit = link->generic ? xdp : link->features & INLAY_NIC_XDP_XMIT;
	__u32 flags = 0;

	if (!ingress)
		return 0;
	if (link->up)
		flags |= INLAY_TURN_LINK_TC;
	if (xdp)
		flags |= INLAY_TURN_LINK_XDP;
	if (xmit && link->up)
		flags |= INLAY_TURN_LINK_XMIT;
	/* Whatever has native XDP has XDP_TX. But a veth wakes its peer for what was sent so only
	 * where that has an XDP program of its own: elsewhere frames lie there until others come.
	 * Frames that are redirected back do not. */
	if (xdp && link->up && !link->veth)
		flags |= INLAY_TURN_LINK_TX;
	return flags;
}

static void publish(struct inlay_turn_links *links, struct link *link)
{
	__u32 flags = flags_of(link);

	if (flags == link->flags)
		return;
	inlay_turn_maps_set_link(links->maps, link->ifindex, flags);
	links->changed = true;
	link->flags = flags;
}

/* --- Interfaces that there are -------------------------------------------------------------- */

static void copy_name(char *dst, const char *src)
{
	snprintf(dst, IFNAMSIZ, "%s", src ? src : "");
}

/* The interface whose port this one is: it sees the packets, too. A VRF does not count. */
static void find_master(struct nl_cache *cache, struct rtnl_link *from, struct link *link)
{
	int ifindex = rtnl_link_get_master(from);
	struct rtnl_link *master = ifindex > 0 ? rtnl_link_get(cache, ifindex) : NULL;
	const char *kind = master ? rtnl_link_get_type(master) : NULL;

	link->master[0] = 0;
	if (master && (!kind || strcmp(kind, "vrf")))
		copy_name(link->master, rtnl_link_get_name(master));
	rtnl_link_put(master);
}

static void read_link(struct inlay_turn_links *links, struct nl_cache *cache,
		      struct rtnl_link *from)
{
	__u32 ifindex = (__u32)rtnl_link_get_ifindex(from);
	struct link *link = find_link(links, ifindex);
	const char *kind = rtnl_link_get_type(from);

	if (!link)
		link = add_link(links, ifindex);
	if (!link)
		return;
	link->seen = true;
	copy_name(link->name, rtnl_link_get_name(from));
	link->up = rtnl_link_get_flags(from) & IFF_UP;
	link->loopback = rtnl_link_get_flags(from) & IFF_LOOPBACK;
	link->ethernet = rtnl_link_get_arptype(from) == ARPHRD_ETHER;
	link->veth = kind && !strcmp(kind, "veth");
	link->wanted = is_wanted(links, link->name);
	find_master(cache, from, link);
	if (link->master[0])
		detach(links, link);
}

int inlay_turn_links_sync(struct inlay_turn_links *links)
{
	struct inlay_list *node, *after;
	struct nl_cache *cache;

	if (rtnl_link_alloc_cache(links->sock, AF_UNSPEC, &cache))
		return -EIO;
	inlay_list_for_each (node, &links->links)
		inlay_list_entry(node, struct link, node)->seen = false;
	for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o))
		read_link(links, cache, (struct rtnl_link *)o);
	nl_cache_free(cache);
	inlay_list_for_each_safe (node, after, &links->links) {
		struct link *link = inlay_list_entry(node, struct link, node);

		if (link->seen)
			attach_link(links, link);
		else
			forget(links, link);
	}
	inlay_turn_links_ask(links);
	return 0;
}

static void take_features(void *user, __u32 ifindex, __u64 features)
{
	struct link *link = find_link(user, ifindex);

	if (link)
		link->features = features;
}

void inlay_turn_links_ask(struct inlay_turn_links *links)
{
	struct inlay_list *node;

	/* What is not told is not trusted: TC redirects then. */
	inlay_list_for_each (node, &links->links)
		inlay_list_entry(node, struct link, node)->features = 0;
	/* Once is enough: the kernel looks for a module each time. */
	if (links->genl && inlay_turn_xdp_features(links->genl, take_features, links) == -ENOENT) {
		inlay_genl_free(links->genl);
		links->genl = NULL;
	}
	inlay_list_for_each (node, &links->links)
		publish(links, inlay_list_entry(node, struct link, node));
}

void inlay_turn_links_turn_off(struct inlay_turn_links *links, bool off)
{
	struct inlay_list *node;

	if (links->off == off)
		return;
	links->off = off;
	if (!off) {
		(void)inlay_turn_links_sync(links);
		return;
	}
	inlay_list_for_each (node, &links->links)
		detach(links, inlay_list_entry(node, struct link, node));
}

/* --- The whole ------------------------------------------------------------------------------ */

int inlay_turn_links_init(struct inlay_turn_links *links, struct inlay_turn_maps *maps,
			  const struct inlay_turn_config *config)
{
	*links = (struct inlay_turn_links){
		.maps = maps, .attach = config->attach, .off = config->mode == INLAY_TURN_OFF};
	inlay_list_init(&links->links);
	if (config->interfaces) {
		links->names = calloc(config->n_interfaces + 1, sizeof(*links->names));
		if (!links->names)
			return -ENOMEM;
		for (size_t i = 0; i < config->n_interfaces; i++)
			copy_name(links->names[i], config->interfaces[i]);
		links->n_names = config->n_interfaces;
	}
	links->sock = nl_socket_alloc();
	if (!links->sock)
		return -ENOMEM;
	if (nl_connect(links->sock, NETLINK_ROUTE))
		return -EPROTONOSUPPORT;
	return inlay_genl_new(&links->genl) == -ENOMEM ? -ENOMEM : 0;
}

void inlay_turn_links_fini(struct inlay_turn_links *links)
{
	struct inlay_list *node, *after;

	if (!links->maps)
		return;
	inlay_list_for_each_safe (node, after, &links->links)
		forget(links, inlay_list_entry(node, struct link, node));
	inlay_genl_free(links->genl);
	nl_socket_free(links->sock);
	free(links->names);
	*links = (struct inlay_turn_links){0};
}

static int check_names(const struct inlay_turn_links *links, const struct inlay_turn_error *error)
{
	struct inlay_list *node;
	bool found;

	for (size_t i = 0; i < links->n_names; i++) {
		found = false;
		inlay_list_for_each (node, &links->links)
			found |= !strcmp(inlay_list_entry(node, struct link, node)->name,
					 links->names[i]);
		if (!found) {
			inlay_turn_say(error, "%s: no such interface here: see ip link",
				       links->names[i]);
			return -ENOENT;
		}
	}
	return 0;
}

int inlay_turn_links_check(const struct inlay_turn_links *links,
			   const struct inlay_turn_error *error)
{
	const struct link *worst = NULL;
	struct inlay_list *node;
	bool attached = false;
	int err = check_names(links, error);

	if (err || links->off)
		return err;
	inlay_list_for_each (node, &links->links) {
		const struct link *link = inlay_list_entry(node, struct link, node);

		if (!link->ethernet || !link->wanted || !link->up || link->master[0])
			continue;
		if (inlay_turn_hook_is_set(&link->xdp) || inlay_turn_hook_is_set(&link->ingress))
			attached = true;
		else
			worst = link;
	}
	if (!worst || (attached && !links->names))
		return 0;
	inlay_turn_say(error, "%s: cannot be attached: %s", worst->name,
		       worst->no_tc[0] ? worst->no_tc : worst->no_xdp);
	return -EBUSY;
}

static const char *why(const struct inlay_turn_links *links, const struct link *link)
{
	if (links->off)
		return "turned off";
	if (link->loopback)
		return "loopback: only watched";
	if (!link->ethernet)
		return "not an Ethernet interface";
	if (!link->wanted)
		return "not among the configured interfaces: only watched";
	if (link->master[0])
		return "a port of a bridge or bond, which is attached in its place";
	if (!link->up)
		return "it is down";
	if (link->no_tc[0])
		return link->no_tc;
	if (links->hindrance)
		return links->hindrance;
	if (link->no_xdp[0])
		return link->no_xdp;
	if (links->attach == INLAY_TURN_ATTACH_TC)
		return "as configured";
	if (link->generic)
		return "as configured: behind the driver";
	if (!(link->flags & INLAY_TURN_LINK_XMIT) && !links->genl)
		return "this kernel (6.3 or newer is needed) does not tell which interfaces take "
		       "redirected frames: TC relays those";
	if (!(link->flags & INLAY_TURN_LINK_XMIT) && link->veth)
		return "its peer takes no redirected frames: turn GRO on there (ethtool -K PEER "
		       "gro on); TC relays meanwhile";
	if (!(link->flags & INLAY_TURN_LINK_XMIT))
		return "its driver takes no redirected frames: TC relays what leaves there";
	return NULL;
}

static void describe(const struct inlay_turn_links *links, const struct link *link,
		     struct inlay_turn_link_info *ret_info)
{
	struct inlay_turn_link_info info = {.ifindex = link->ifindex,
					    .ingress = "none",
					    .xdp_tx = link->flags & INLAY_TURN_LINK_TX,
					    .xdp_redirect_to = link->flags & INLAY_TURN_LINK_XMIT,
					    .why = why(links, link)};

	copy_name(info.name, link->name);
	if (inlay_turn_hook_is_set(&link->xdp))
		info.ingress = link->generic ? "generic" : "native";
	else if (inlay_turn_hook_is_set(&link->ingress))
		info.ingress = "tc";
	*ret_info = info;
}

void inlay_turn_links_each(const struct inlay_turn_links *links,
			   void (*each)(void *user, const struct inlay_turn_link_info *info),
			   void *user)
{
	struct inlay_turn_link_info info;
	struct inlay_list *node;

	inlay_list_for_each (node, &links->links) {
		describe(links, inlay_list_entry(node, struct link, node), &info);
		each(user, &info);
	}
}
