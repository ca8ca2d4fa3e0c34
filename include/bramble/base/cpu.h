/* What the processor can do, found once; BRAMBLE_CPU=generic|avx2|avx512|neon caps it, which is how every table is tested. */
#ifndef BRAMBLE_BASE_CPU_H
#define BRAMBLE_BASE_CPU_H

enum br_cpu_level { BR_CPU_GENERIC, BR_CPU_NEON, BR_CPU_AVX2, BR_CPU_AVX512 };

/* The level in use: from CPUID bits and operating system support, lowered by BRAMBLE_CPU. An unknown word there is
 * reported once as a warning and ignored; a level above the machine's is lowered to the machine's. */
enum br_cpu_level br_cpu_level(void);
/* "generic", "neon", "avx2", "avx512". */
const char *br_cpu_level_name(enum br_cpu_level level);
/* The processor's name as the system tells it ("unknown" if it does not), for reports. */
const char *br_cpu_name(void);

#endif
