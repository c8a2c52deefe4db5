/* SPDX-License-Identifier: GPL-2.0 */
/*
 * credfd selftests: counters of what the kernel does, by event and by key
 *
 * They are the histogram triggers of tracefs. What cannot be counted ends the
 * program: a number that is too small would be worse than none.
 */
#ifndef __CREDFD_SELFTEST_COUNTERS_H
#define __CREDFD_SELFTEST_COUNTERS_H

#include <err.h>
#include <stddef.h>
#include <stdio.h>

#define COUNTERS_TRACING	"/sys/kernel/tracing/events/"

struct counter {
	/* The directory in events/, such as "rcu/rcu_callback" */
	const char *event;
	/* What to count by, such as "hist:keys=func.sym" */
	const char *hist;
};

#define COUNT_SYSCALLS		{ "raw_syscalls/sys_enter", "hist:keys=id" }
#define COUNT_RCU_CALLBACKS	{ "rcu/rcu_callback", "hist:keys=func.sym" }
#define COUNT_SLAB_OBJECTS	{ "kmem/kmem_cache_alloc", "hist:keys=call_site.sym" }
#define COUNT_KMALLOCS		{ "kmem/kmalloc", "hist:keys=call_site.sym" }

static inline FILE *counter_open(const struct counter *counter,
				 const char *file, const char *mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), COUNTERS_TRACING "%s/%s", counter->event, file);
	f = fopen(path, mode);
	if (!f)
		err(1, "%s", path);
	return f;
}

static inline void counter_trigger(const struct counter *counter,
				   const char *not, const char *filter)
{
	FILE *f = counter_open(counter, "trigger", "a");

	fprintf(f, "%s%s if %s\n", not, counter->hist, filter);
	if (fclose(f))
		err(1, "%s", counter->event);
}

/* From now on count the events that match @filter */
static inline void counters_start(const struct counter *counters, size_t count,
				  const char *filter)
{
	for (size_t i = 0; i < count; i++)
		counter_trigger(&counters[i], "", filter);
}

/* With the same filter. What was counted is forgotten, so read it before. */
static inline void counters_stop(const struct counter *counters, size_t count,
				 const char *filter)
{
	for (size_t i = 0; i < count; i++)
		counter_trigger(&counters[i], "!", filter);
}

/* From "{ key: [address] name } hitcount: 6", or without an address */
static inline void counter_read(const struct counter *counter,
				void (*found)(const char *event, const char *key,
					      unsigned long long hits))
{
	FILE *f = counter_open(counter, "hist", "r");
	unsigned long long hits;
	char line[512], key[128];

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "{ %*[^:]: [%*[^]]] %127s } hitcount: %llu", key, &hits) == 2 ||
		    sscanf(line, "{ %*[^:]: %127s } hitcount: %llu", key, &hits) == 2)
			found(counter->event, key, hits);
		else if (sscanf(line, " Dropped: %llu", &hits) == 1 && hits)
			errx(1, "%s: %llu events were not counted", counter->event, hits);
	}
	fclose(f);
}

/* Calls @found for each event and key that occurred */
static inline void counters_read(const struct counter *counters, size_t count,
				 void (*found)(const char *event, const char *key,
					       unsigned long long hits))
{
	for (size_t i = 0; i < count; i++)
		counter_read(&counters[i], found);
}

#endif
