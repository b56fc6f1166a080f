/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libinlay-turn: ChannelData of a TURN server (RFC 8656) relayed in the kernel, in XDP or TC.
 *
 * For servers that want to say themselves what may go fast, and for inlay-turn, which watches an
 * unmodified server and says it for it. The caller says which allocations, permissions and channels
 * exist and until when; packets of a channel whose three lifetimes have not run out are relayed in
 * both directions without the server; everything else reaches the server untouched, as if nothing
 * were there. Everything that is added ends by itself at its time, in the programs, whether or not
 * anybody calls; nothing goes fast either when inlay_turn_turn() has not been called for two
 * seconds. Not thread-safe: one thread, or the caller's lock; it stays in the network namespace in
 * which it was opened.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC. Functions return 0 or a negative errno. What fails
 * stays with the server, which is never an error for its client.
 */
#ifndef INLAY_TURN_H
#define INLAY_TURN_H

#ifdef __cplusplus
#define _Static_assert static_assert
extern "C" {
#endif

#include "inlay_reasons.h"
#include "inlay_turn_abi.h"

struct inlay_turn;

enum inlay_turn_attach {
	INLAY_TURN_ATTACH_AUTO = 0, /* what each interface can do, best first: native, TC */
	INLAY_TURN_ATTACH_NATIVE,   /* XDP in the driver, or fail */
	INLAY_TURN_ATTACH_GENERIC,  /* XDP behind the driver */
	INLAY_TURN_ATTACH_TC,
};

struct inlay_turn_range {
	struct inlay_addr addr; /* port means nothing */
	__u8 prefix_len;
};

struct inlay_turn_config {
	const char *object;	       /* path of turn.bpf.o; NULL: as installed */
	const char *const *interfaces; /* NULL: all that are up, those that come later too */
	size_t n_interfaces;
	enum inlay_turn_attach attach;
	enum inlay_turn_mode mode;
	const __u16 *ports; /* where the server listens; host order; NULL: 3478 */
	size_t n_ports;
	const struct inlay_turn_range *denied; /* peers that never go fast */
	size_t n_denied;
	__u32 max_flows;       /* channels; 0: 16384 */
	__u32 max_allocations; /* 0: 8192 */
};

/*
 * Loads and attaches. |error|: room for one line that says what failed, on which interface, and
 * what to do. An interface where another program stands is left alone, and said by
 * inlay_turn_links(). Until it is closed, forwarding is on at lo (and there alone): the kernel
 * tells the programs only then where a packet would go. -EPERM; -ENOENT: no object, no interface;
 * -EBUSY: nowhere to attach, another program is where NATIVE was to be, or another process serves
 * this network namespace; -ENOEXEC, -EPROTO: no
 * object of this version; -EINVAL; -ENOMEM; what the kernel returned.
 */
int inlay_turn_open(const struct inlay_turn_config *config, struct inlay_turn **ret_turn,
		    char *error, size_t error_room);
/* Detaches everywhere, leaves nothing in the kernel, and frees. Takes NULL. */
void inlay_turn_close(struct inlay_turn *turn);

/* Its descriptor is readable when inlay_turn_turn() has work: events, netlink, a deadline. */
int inlay_turn_fd(const struct inlay_turn *turn);
/* Drops what has run out, follows links, routes and neighbours, says that we are alive. At least
 * every 500 ms. Returns when it wants to be called next. */
inlay_ns inlay_turn_turn(struct inlay_turn *turn, inlay_ns now);

/* OFF detaches everywhere at once, from OFF attaches again. What was added stays. */
void inlay_turn_set_mode(struct inlay_turn *turn, enum inlay_turn_mode mode);

/* --- What may go fast ---------------------------------------------------------------------- */

#define INLAY_TURN_BYTES_PER_S_MIN 239 /* less is a price that no field holds: -EINVAL */

struct inlay_turn_allocation_params {
	struct inlay_addr client; /* UDP: what comes by TCP, TLS or DTLS stays with the server */
	struct inlay_addr server; /* where the client sends to */
	struct inlay_addr relayed;
	inlay_ns until;
	__u32 max_packets_per_s; /* both directions together, with bursts of a second's; 0: no limit
				  */
	__u32 max_bytes_per_s;	 /* of UDP payload; 0: no limit */
};

/* Names an allocation; one that is gone is never named again by an old id. */
struct inlay_turn_id {
	__u32 index;
	__u32 generation;
};

/* -EEXIST: this client and server have one of that address family, or the relayed address is
 * another's; -ENOSPC; -EINVAL: also an address that means another host on each link, or none:
 * loopback, link-local, multicast, unspecified, mapped IPv4. */
int inlay_turn_allocation_add(struct inlay_turn *turn,
			      const struct inlay_turn_allocation_params *params,
			      struct inlay_turn_id *ret_id);
/* RFC 8656 section 7. An end that is past removes it. -ESTALE: it is gone. */
int inlay_turn_allocation_refresh(struct inlay_turn *turn, struct inlay_turn_id id, inlay_ns until);
/* With its permissions and channels. What is in flight in a program is the last. -ESTALE. */
int inlay_turn_allocation_remove(struct inlay_turn *turn, struct inlay_turn_id id);

/* Adds or refreshes (section 9); an end that is past removes it. The peer's port means nothing.
 * -ESTALE; -ENOSPC: allocations and permissions are bounded, too; -EACCES: in a denied range, or
 * such an address (counted); -EINVAL: not of the relayed address's family. */
int inlay_turn_permission_set(struct inlay_turn *turn, struct inlay_turn_id id,
			      const struct inlay_addr *peer, inlay_ns until);
/* -ESTALE; -ENOENT. */
int inlay_turn_permission_remove(struct inlay_turn *turn, struct inlay_turn_id id,
				 const struct inlay_addr *peer);

/*
 * Adds or refreshes (section 12); an end that is past removes it. It is fast while the peer has a
 * permission, too, which this does not give. A place that was left is free again a second or two
 * later. -ESTALE; -EEXIST: the number is another peer's, or the peer has another number;
 * -EACCES; -ENOSPC: every place is taken, the channel stays with the server (counted); -EINVAL.
 */
int inlay_turn_channel_set(struct inlay_turn *turn, struct inlay_turn_id id, __u16 number,
			   const struct inlay_addr *peer, inlay_ns until);
/* -ESTALE; -ENOENT. */
int inlay_turn_channel_remove(struct inlay_turn *turn, struct inlay_turn_id id, __u16 number);

/* --- What went fast ------------------------------------------------------------------------ */

struct inlay_turn_channel_info {
	struct inlay_turn_id allocation;
	struct inlay_addr client, server, relayed, peer;
	__u16 number;
	bool watched; /* not fast yet: the server was not seen relaying on it */
	inlay_ns allocation_until, permission_until, channel_until;
	/* Of all CPUs. A channel that was removed takes its numbers with it: read them before. */
	struct inlay_turn_stats stats; /* hops: zero */
	__u64 over_limit;	       /* of the whole allocation */
};

/* For each channel; |each| must not change the tables. */
void inlay_turn_channels(const struct inlay_turn *turn,
			 void (*each)(void *user, const struct inlay_turn_channel_info *info),
			 void *user);
/* -ESTALE; -ENOENT. */
int inlay_turn_channel_read(const struct inlay_turn *turn, struct inlay_turn_id id, __u16 number,
			    struct inlay_turn_channel_info *ret_info);

/* Since it was opened, channels that are gone included: these only rise, but for what is now. */
struct inlay_turn_totals {
	__u64 to_peer_packets;
	__u64 to_peer_bytes; /* of application data */
	__u64 to_client_packets;
	__u64 to_client_bytes;
	__u64 over_limit; /* packets dropped for an allocation's rate */
	__u32 allocations, permissions, channels, watched; /* now */
};
/* Summing takes a millisecond for some thousand channels: where it does, sums are given out again
 * for twenty times as long as they took. */
void inlay_turn_totals(struct inlay_turn *turn, struct inlay_turn_totals *ret_totals);
/* Why packets were not relayed, since it was opened: reasons TURN_*. */
void inlay_turn_reasons(const struct inlay_turn *turn, struct inlay_reason_counters *ret_counters);

struct inlay_turn_link_info {
	char name[16];
	__u32 ifindex;
	const char *ingress; /* "native", "generic", "tc", "none" */
	bool xdp_tx, xdp_redirect_to;
	const char *why; /* it is not better than that; NULL: it is the best there is */
};
void inlay_turn_links(const struct inlay_turn *turn,
		      void (*each)(void *user, const struct inlay_turn_link_info *info),
		      void *user);

#ifdef __cplusplus
}
#endif

#endif
