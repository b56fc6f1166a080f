/* SPDX-License-Identifier: BSD-2-Clause */
/* The state and the packets of vectors: see vector.h. */
#include "vector.h"

#include <assert.h>
#include <string.h>

#include "inlay_net.h"
#include "inlay_quic_write.h"

#define CREDIT	1000000
#define UP_CID	"0102030405060708"
#define ALIAS_I 13 /* 77 & 63: where a search begins */

/* What stands before the short header, by SUB_WIRE. */
enum vector_wire {
	WIRE_SOCKET = 0,
	WIRE_IPV4,
	WIRE_IPV6,
	WIRE_IPV6_VLAN,
};

/* Words that are not in the state as they are: what was set last, by subscriber. */
static __u64 cid_len[VECTOR_SUBSCRIBERS], wire[VECTOR_SUBSCRIBERS];

static __u64 *vector_cid_len(const struct inlay_tables *t, __u32 i)
{
	return &cid_len[i];
}

static __u64 *vector_wire(const struct inlay_tables *t, __u32 i)
{
	return &wire[i];
}

/* Of publisher's stream |number|. */
static struct inlay_slot *vector_slot(const struct inlay_tables *t, __u32 number)
{
	__u32 what = INLAY_SEEN_WHAT(t->upstreams[0].seen[number & (INLAY_SEEN - 1)]);

	assert(what > 0 && what <= VECTOR_SLOTS);
	return &t->slots[what - 1];
}

static struct inlay_leg *vector_leg(const struct inlay_tables *t, __u32 i)
{
	const struct inlay_slot *s = vector_slot(t, i / 1000);

	return &t->legs[(size_t)(s - t->slots) * INLAY_POSITIONS + i % 1000];
}

const char *vector_field_name(enum vector_field field)
{
	static const char *const names[] = {
		"NONE",
#define FIELD(name, word) #name,
#include "fields.def"
#undef FIELD
	};

	return names[field];
}

/* --- Hex ------------------------------------------------------------------------------------- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t vector_hex(const char *hex, __u8 *to, size_t room)
{
	size_t n = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		assert(digit(hex[0]) >= 0 && digit(hex[1]) >= 0 && n < room);
		to[n++] = (__u8)(digit(hex[0]) << 4 | digit(hex[1]));
		hex++;
	}
	return n;
}

/* --- State ----------------------------------------------------------------------------------- */

static void put_wire(struct inlay_writer *out, __u32 i, enum vector_wire kind)
{
	struct inlay_net_datagram d = {
		.eth = {.dst = {2, 0, 0, 0, 0, (__u8)i}, .src = {2, 0, 0, 0, 1, 0}},
		.ip = {.version = kind == WIRE_IPV4 ? 4 : 6, .ttl = 64},
		.udp = {.src = 4433, .dst = (__u16)(5000 + i)},
	};

	d.eth.has_vlan = kind == WIRE_IPV6_VLAN;
	d.eth.tci = 42;
	if (kind == WIRE_IPV4) {
		vector_hex("c0000201", d.ip.src, 16);
		vector_hex("c6336407", d.ip.dst, 16);
	} else {
		vector_hex("20010db8000000000000000000000001", d.ip.src, 16);
		vector_hex("20010db8000000000000000000000007", d.ip.dst, 16);
	}
	assert(inlay_net_put(out, &d));
}

static void set_headers(const struct inlay_tables *t, __u32 i)
{
	struct inlay_headers *h = &t->subscribers[i].headers[0];
	struct inlay_writer out = inlay_writer_of(h->bytes, sizeof(h->bytes));
	__u8 cid[INLAY_CID_MAX];

	memset(h, 0, sizeof(*h));
	memset(cid, (int)(0xc0 + i), sizeof(cid));
	if (wire[i] != WIRE_SOCKET) {
		h->l2_len = wire[i] == WIRE_IPV6_VLAN ? 18 : 14;
		h->ip_len = wire[i] == WIRE_IPV4 ? 20 : 40;
		put_wire(&out, i, (enum vector_wire)wire[i]);
	}
	h->quic_len = (__u8)(1 + cid_len[i] + INLAY_TX_PN);
	assert(inlay_writer_u8(&out, 0x43) && inlay_writer_bytes(&out, cid, cid_len[i]) &&
	       inlay_writer_be32(&out, 0));
}

static void set_subscriber(const struct inlay_tables *t, __u32 i)
{
	struct inlay_subscriber *s = &t->subscribers[i];
	struct inlay_position *p = &t->positions[i];

	s->generation = 1;
	s->abi_version = INLAY_ABI_VERSION;
	s->pn_limit = VECTOR_LOG;
	s->stream_limit = CREDIT;
	s->flow_limit = CREDIT;
	s->initial_stream_limit = CREDIT;
	s->max_datagram = 65535;
	s->path_mtu = 1400;
	for (__u32 c = 0; c < INLAY_CLASSES; c++)
		s->class_limit[c] = CREDIT;
	s->sa = 100 + i;
	s->sa_generation = 1;
	s->log_mask = VECTOR_LOG - 1;
	s->initiator = 1;
	cid_len[i] = 8;
	wire[i] = WIRE_SOCKET;
	set_headers(t, i);
	p->subscriber = i;
	p->generation = 1;
	p->end_group = ~0ULL;
	p->alias = 500 + i;
	for (size_t c = 0; c < INLAY_ARRAY_SIZE(p->thresholds); c++)
		p->thresholds[c] = 256;
	p->state = INLAY_POSITION_ARMED;
}

static void clear(const struct inlay_tables *t)
{
	memset(t->contexts, 0, INLAY_CONTEXTS * sizeof(*t->contexts));
	memset(t->sas, 0, t->n_sas * sizeof(*t->sas));
	memset(t->subscribers, 0, VECTOR_SUBSCRIBERS * sizeof(*t->subscribers));
	memset(t->logs, 0, VECTOR_SUBSCRIBERS * t->log_stride * sizeof(*t->logs));
	memset(t->upstreams, 0, sizeof(*t->upstreams));
	memset(t->journals, 0, t->journal_size * sizeof(*t->journals));
	memset(t->tracks, 0, sizeof(*t->tracks));
	memset(t->positions, 0, VECTOR_SUBSCRIBERS * sizeof(*t->positions));
	memset(t->slots, 0, VECTOR_SLOTS * sizeof(*t->slots));
	for (__u32 i = 0; i < VECTOR_SLOTS; i++)
		memset(&t->legs[(size_t)i * INLAY_POSITIONS], 0,
		       VECTOR_SUBSCRIBERS * sizeof(*t->legs));
}

void vector_scene_set(const struct inlay_tables *t, const struct vector *v)
{
	struct inlay_upstream *up = &t->upstreams[0];
	struct inlay_alias *a = &up->aliases[ALIAS_I];

	assert(t->n_slots == VECTOR_SLOTS && t->n_subscribers >= VECTOR_SUBSCRIBERS);
	assert(t->n_sas > VECTOR_SA && t->journal_size == VECTOR_LOG);
	clear(t);
	up->journal_mask = VECTOR_LOG - 1;
	up->draft = 18;
	up->state = INLAY_UPSTREAM_ON;
	up->generation = 1;
	a->alias = 77;
	a->end_group = ~0ULL;
	a->priority = 100;
	a->track = 1;
	t->sas[VECTOR_SA] = (struct inlay_rx_sa){
		.number = VECTOR_SA, .generation = VECTOR_SA_GEN, .upstream = 1};
	t->tracks[0].n_positions = v->positions;
	for (__u32 i = 0; i < v->positions; i++)
		set_subscriber(t, i);
}

void vector_word_set(const struct inlay_tables *t, const struct vector_word *word)
{
	__u32 i = word->i;

	switch (word->field) {
#define FIELD(name, word_)                                                                         \
	case FIELD_##name:                                                                         \
		word_ = (__typeof__(word_))word->value;                                            \
		break;
#include "fields.def"
#undef FIELD
	default:
		assert(!"a field");
	}
	if (word->field == FIELD_SUB_CID_LEN || word->field == FIELD_SUB_WIRE)
		set_headers(t, i);
}

__u64 vector_word_get(const struct inlay_tables *t, enum vector_field field, __u32 i)
{
	switch (field) {
#define FIELD(name, word)                                                                          \
	case FIELD_##name:                                                                         \
		return (__u64)(word);
#include "fields.def"
#undef FIELD
	default:
		return 0;
	}
}

/* --- Packets --------------------------------------------------------------------------------- */

bool vector_has_step(const struct vector *v, __u32 i)
{
	return i < VECTOR_STEPS && (v->steps[i].packet || v->steps[i].frames[0].kind);
}

static bool put_frame(struct inlay_writer *out, const struct vector_frame *f)
{
	__u8 content[INLAY_FRAME_MAX];
	size_t len = f->hex ? vector_hex(f->hex, content, sizeof(content)) : 0;

	switch (f->kind) {
	case VECTOR_STREAM:
	case VECTOR_LAST:
		if (!inlay_quic_put_stream_header(out, f->number << 2 | 2, f->offset, len, f->fin,
						  f->kind == VECTOR_STREAM))
			return false;
		break;
	case VECTOR_DATAGRAM:
		if (!inlay_quic_varint_put(out, INLAY_QUIC_DATAGRAM | 1) ||
		    !inlay_quic_varint_put(out, len))
			return false;
		break;
	default:
		break;
	}
	return inlay_writer_bytes(out, content, len);
}

size_t vector_packet(const struct vector_step *step, __u8 *packet, __u64 *pn)
{
	struct inlay_writer out = inlay_writer_of(packet, INLAY_FRAME_MAX);
	__u8 head[INLAY_FRAME_MAX];
	size_t n;
	bool ok = true;

	*pn += 1 + step->skip - step->again;
	n = vector_hex(step->packet ? step->packet : "43" UP_CID, head, sizeof(head));
	ok = ok && inlay_writer_bytes(&out, head, n);
	if (!step->packet) {
		ok = ok && inlay_writer_be32(&out, (__u32)*pn);
		for (__u32 i = 0; i < VECTOR_FRAMES && step->frames[i].kind; i++)
			ok = ok && put_frame(&out, &step->frames[i]);
	}
	ok = ok && inlay_quic_put_desc(&out, VECTOR_SA, VECTOR_SA_GEN, 0, 13, *pn);
	assert(ok);
	return inlay_writer_len(&out);
}
