/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps and global data of an object. */
#include <string.h>

#include "check_impl.h"

static bool takes_map(const struct inlay_nic_ebpf *e, const char *type)
{
	for (size_t i = 0; i < e->n_map_types; i++)
		if (!strcmp(e->map_types[i], type))
			return true;
	return !e->n_map_types;
}

static __u64 round8(__u32 bytes)
{
	return ((__u64)bytes + 7) / 8 * 8;
}

static void check_map(struct inlay_nic_checker *ck, const struct inlay_bpf_map *m)
{
	const struct inlay_nic_ebpf *e = ck->ebpf;
	const char *type = inlay_bpf_map_type_name(m->type);

	if (!takes_map(e, type)) {
		inlay_nic_flag_named(ck, INLAY_NIC_RULE_map_type, m->name, "type %u, %s", m->type,
				     *type ? type : "which is not known here");
		return;
	}
	/* A perf event array stays on the host. */
	if (m->type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
		return;
	if (e->map_flags.kind == INLAY_NIC_LIMIT_NUMBER && m->flags & ~(__u32)e->map_flags.number)
		inlay_nic_flag_named(ck, INLAY_NIC_RULE_map_flags, m->name, "flags 0x%x", m->flags);
	if (m->has_numa_node)
		inlay_nic_flag_named(ck, INLAY_NIC_RULE_map_numa_node, m->name, "numa_node");
	inlay_nic_hold(ck, INLAY_NIC_RULE_map_key_bytes, m->name, &e->map_key_bytes, m->key_bytes);
	inlay_nic_hold(ck, INLAY_NIC_RULE_map_value_bytes, m->name, &e->map_value_bytes,
		       m->value_bytes);
	inlay_nic_hold(ck, INLAY_NIC_RULE_map_entry_bytes, m->name, &e->map_entry_bytes,
		       round8(m->key_bytes) + round8(m->value_bytes));
	inlay_nic_hold(ck, INLAY_NIC_RULE_map_entries_each, m->name, &e->map_entries_each,
		       m->max_entries);
}

void inlay_nic_check_maps(struct inlay_nic_checker *ck)
{
	const struct inlay_bpf_object *o = ck->object;
	__u64 entries = 0, maps = 0;

	if (o->has_legacy_maps)
		inlay_nic_flag_named(ck, INLAY_NIC_RULE_legacy_maps, "maps", "section maps");
	for (__u32 i = 0; i < o->n_maps; i++) {
		check_map(ck, &o->maps[i]);
		if (o->maps[i].type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
			continue;
		entries += o->maps[i].max_entries;
		maps++;
	}
	inlay_nic_hold(ck, INLAY_NIC_RULE_map_entries, "maps", &ck->ebpf->map_entries, entries);
	inlay_nic_hold(ck, INLAY_NIC_RULE_maps, "maps", &ck->ebpf->maps, maps);
	if (ck->ebpf->direct_values.answer != INLAY_NIC_NO)
		return;
	if (o->has_kconfig)
		inlay_nic_flag_named(ck, INLAY_NIC_RULE_direct_values, ".kconfig",
				     "variables marked __kconfig");
	for (__u32 i = 0; i < o->n_sections; i++)
		if (o->sections[i].is_global_data)
			inlay_nic_flag_named(ck, INLAY_NIC_RULE_direct_values, o->sections[i].name,
					     "section %s has %llu bytes", o->sections[i].name,
					     (unsigned long long)o->sections[i].bytes);
}
