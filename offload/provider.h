/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The crypto provider: what opens and seals 1-RTT packets (design sections 3 and 4). `local` runs
 * in this process; the softnic and NIC drivers come later and answer the same case table
 * (tests/conform/provider_cases.c). No other code path seals or opens a 1-RTT packet.
 *
 * The unit of work is a security association (SA): one connection's keys in one direction. An SA
 * is named by number and generation, so that a packet made for an older SA is never sealed under
 * the keys of a newer one. The provider is the last guard of invariant 2: per transmit SA it keeps
 * a window of numbers already sealed, and refuses a number twice and any below the window.
 *
 * Operations may be called from several threads at once; each is atomic. A burst of items is one
 * call.
 */
#ifndef INLAY_OFFLOAD_PROVIDER_H
#define INLAY_OFFLOAD_PROVIDER_H

#include "cipher.h"
#include "inlay_abi.h"
#include "inlay_reasons.h"

struct inlay_provider;

enum inlay_direction {
	INLAY_RX = 1,
	INLAY_TX = 2,
};

/* Remote addresses of a transmit SA besides its own. */
#define INLAY_PROVIDER_REMOTES 4

struct inlay_sa_ref {
	__u32 number;
	__u16 generation; /* 0 never names an SA */
};

struct inlay_sa_params {
	enum inlay_direction direction;
	enum inlay_cipher cipher;
	struct inlay_path path;	      /* transmit: remote must match each item's destination */
	const struct inlay_cid *cids; /* receive: our CIDs. transmit: the peer's */
	size_t n_cids;
	struct inlay_keys keys; /* of the phase in force; copied */
	__u8 hp[32];		/* header protection key: the same in every phase; copied */
	__u64 next_pn;		/* transmit: lower numbers are refused. receive: largest + 1 */
	bool phase;		/* key phase bit in force: false after a handshake */
	/*
	 * RFC 9001 section 6.6. Transmit: packets sealed under one key. Receive: packets that
	 * failed authentication since the SA was added. Never above the RFC's own limits.
	 */
	__u64 soft_limit; /* an event when reached; 0: the hard limit less 1/8 */
	__u64 hard_limit; /* nothing is sealed, or opened, beyond; 0: the RFC's */
};

/* Why an item was refused, or not. One list with the counters: inlay_reasons.def. */
enum inlay_verdict {
	INLAY_OK = 0,
	INLAY_NO_SA,	     /* unknown number or CID, or the SA is gone */
	INLAY_STALE_SA,	     /* the number was reused since */
	INLAY_AUTH_FAILED,   /* forged, damaged, or a phase nobody has keys of */
	INLAY_RUNT,	     /* too short for a 1-RTT packet with its sample and tag */
	INLAY_NOT_SHORT,     /* a long header, or the fixed bit is 0 */
	INLAY_RESERVED_BITS, /* authentic, but against RFC 9000 section 17.3.1 */
	INLAY_PN_REPEATED,   /* transmit: this number was sealed before, or lies below the window */
	INLAY_WRONG_PATH,    /* transmit: destination or CID is not the SA's */
	INLAY_KEY_EXHAUSTED, /* the AEAD limit is reached */
	INLAY_NO_ROOM,	     /* the output does not fit */
	INLAY_BAD_ITEM,	     /* header and descriptor disagree, or direction is wrong */
};

/* The named reason (invariant 5) of a verdict other than INLAY_OK. */
INLAY_INLINE enum inlay_reason inlay_verdict_reason(enum inlay_verdict verdict)
{
	_Static_assert((int)INLAY_NO_SA == (int)INLAY_REASON_NO_SA + 1, "both lists in step");
	_Static_assert((int)INLAY_BAD_ITEM == (int)INLAY_REASON_BAD_ITEM + 1, "both lists in step");
	return (enum inlay_reason)((int)verdict - 1);
}

/*
 * One packet to open: in place. INLAY_OK and INLAY_RESERVED_BITS leave a clear packet. Otherwise
 * the last 16 bytes are as they arrived, so that a stateless reset can be told; after
 * INLAY_AUTH_FAILED the bytes between header and tag are zero, and the rest of such packets is
 * unchanged.
 */
struct inlay_open_item {
	__u8 *packet; /* in: as on the wire. out: a clear packet, descriptor at its end */
	size_t len;   /* unchanged by opening */
	struct inlay_addr local; /* where it arrived: SAs are looked up by (local port, CID) */
	__u8 verdict;		 /* out: enum inlay_verdict */
};

#define INLAY_SEAL_PREFIX 128 /* most bytes of an item's prefix */

/*
 * One packet to seal: its plaintext is |prefix|, which is its own, and |payload|, which items may
 * share. |header|, |prefix| and |payload| are not changed unless they overlap |dst|; each may lie
 * exactly where it belongs in |dst|, but not overlap it otherwise. The destination of one item
 * overlaps nothing of another. The key phase bit is the provider's to write. |dst| is written only
 * where the verdict is INLAY_OK.
 *
 * Items that follow one another with the same payload cost least.
 */
struct inlay_seal_item {
	const __u8 *header; /* plain header, ending in a 4-byte packet number */
	size_t header_len;
	const __u8 *prefix; /* plain: a copy's own frame header; NULL with |prefix_len| 0 */
	size_t prefix_len;
	const __u8 *payload; /* plain: what follows */
	size_t payload_len;
	__u8 *dst; /* header_len + prefix_len + payload_len + 16 bytes; may be |header| */
	size_t dst_room;
	struct inlay_sa_ref sa;
	__u64 pn; /* whole number; its low 32 bits stand in the header */
	struct inlay_addr remote;
	__u8 verdict; /* out */
};

enum inlay_provider_event_kind {
	INLAY_EVENT_SOFT_LIMIT = 1, /* time to update keys */
	INLAY_EVENT_HARD_LIMIT,	    /* the SA seals or opens no more under this key */
	INLAY_EVENT_SA_LOST,	    /* the provider lost it: plumb anew */
	INLAY_EVENT_DEVICE_RESET,   /* every SA is gone */
};

struct inlay_provider_event {
	enum inlay_provider_event_kind kind;
	struct inlay_sa_ref sa;
};

struct inlay_provider_caps {
	const char *name;
	__u32 ciphers; /* bit n: enum inlay_cipher n */
	__u32 max_sa;
	__u8 max_rx_cid_len;	    /* our own CIDs */
	bool needs_fixed_tx_pn_len; /* 4 bytes always: true everywhere so far */
};

struct inlay_sa_stats {
	__u64 packets, bytes; /* sealed or opened */
	__u64 auth_failures;
	__u64 largest_pn;
};

struct inlay_provider_ops {
	void (*caps)(struct inlay_provider *p, struct inlay_provider_caps *ret_caps);
	/* 0; -EEXIST: a CID is in use at this port; -ENOSPC; -ENOTSUP: cipher; -EINVAL; -ENOMEM;
	 * -EPERM: no more memory may be locked */
	int (*sa_add)(struct inlay_provider *p, const struct inlay_sa_params *params,
		      struct inlay_sa_ref *ret_sa);
	/* 0; -ESTALE. Keys are zeroed before it returns, and nothing is sealed or opened after. */
	int (*sa_del)(struct inlay_provider *p, struct inlay_sa_ref sa);
	/* 0; -ESTALE; -EEXIST; -ENOSPC; -EINVAL: length. Transmit: a CID that items may carry. */
	int (*cid_add)(struct inlay_provider *p, struct inlay_sa_ref sa,
		       const struct inlay_cid *cid);
	/* 0; -ESTALE; -ENOENT. */
	int (*cid_del)(struct inlay_provider *p, struct inlay_sa_ref sa,
		       const struct inlay_cid *cid);
	/*
	 * Installs the next phase's keys. Transmit: numbers from |first_pn| on use them; -EBUSY if
	 * such a number was sealed already. Receive: |first_pn| is ignored; packets of the other
	 * phase bit are tried with them (descriptor flag NEXT_PHASE); the first call after that
	 * makes them current, keeps the previous ones, and installs the ones after.
	 * Transmit: -EBUSY also if no number of the phase in force was sealed yet, though it has
	 * a predecessor: two updates in a row (RFC 9001 section 6.1).
	 * 0; -ESTALE; -EBUSY; -EINVAL; -ENOMEM; -EPERM: as sa_add().
	 */
	int (*next_phase)(struct inlay_provider *p, struct inlay_sa_ref sa, __u64 first_pn,
			  const struct inlay_keys *keys);
	/* Receive: forgets the keys before the current ones (three PTOs after an update). 0;
	 * -ESTALE; -EINVAL */
	int (*drop_old_phase)(struct inlay_provider *p, struct inlay_sa_ref sa);
	/* Transmit: refuse all below |pn|. Receive: expect numbers near |pn|. 0; -ESTALE; -EINVAL
	 */
	int (*advance)(struct inlay_provider *p, struct inlay_sa_ref sa, __u64 pn);
	/*
	 * Replaces the transmit SA's remote address, or the receive SA's local one. Packets on
	 * their way to the remote address before, a challenge's answer among them, stay good until
	 * the next change. 0; -ESTALE; -EEXIST
	 */
	int (*set_path)(struct inlay_provider *p, struct inlay_sa_ref sa,
			const struct inlay_path *path);
	/*
	 * Transmit: items may go to |remote| besides, until it is taken out or set_path() makes it
	 * the address: a path that is being validated, or that was left a moment ago. Whether what
	 * goes there is no more than that takes is the caller's to see to. 0; -ESTALE; -EEXIST;
	 * -ENOSPC: more than INLAY_PROVIDER_REMOTES; -EINVAL: a receive SA, or no address.
	 */
	int (*remote_add)(struct inlay_provider *p, struct inlay_sa_ref sa,
			  const struct inlay_addr *remote);
	/* 0; -ESTALE; -ENOENT. */
	int (*remote_del)(struct inlay_provider *p, struct inlay_sa_ref sa,
			  const struct inlay_addr *remote);
	/* Number of items with verdict INLAY_OK. */
	size_t (*open)(struct inlay_provider *p, struct inlay_open_item *items, size_t n);
	size_t (*seal)(struct inlay_provider *p, struct inlay_seal_item *items, size_t n);
	int (*stats)(struct inlay_provider *p, struct inlay_sa_ref sa,
		     struct inlay_sa_stats *ret_stats);
	/* Takes up to |n| events, oldest first; returns how many. */
	size_t (*events)(struct inlay_provider *p, struct inlay_provider_event *events, size_t n);
	void (*free)(struct inlay_provider *p);
};

/* Base of every provider: the first member of its own struct. */
struct inlay_provider {
	const struct inlay_provider_ops *ops;
};

#endif
