/* Tables made from nothing, for first steps, benches and comparisons with published runs. */
#ifndef BRAMBLE_TABLE_GENERATE_H
#define BRAMBLE_TABLE_GENERATE_H

#include <stdint.h>

/* Writes a CSV file of a header and `rows` rows, complete or not at all. Kinds:
 *   cars      model_year,odometer,price: used cars; one odometer in 200 is missing
 *   checkins  twelve columns of place, time and weather, and venue: 320 kinds of venue, three clusters each, common and rare ones, 8 % of
 *             them wrong
 *   sdss      u,g,r,i,z,redshift,class: magnitudes and redshifts of galaxies, quasars and stars
 * Row r is a pure function of (kind, seed, r): the same bytes on every machine, and a longer file begins with the shorter one.
 * Errors: BR_ERROR_USAGE for an unknown kind; those of writing. Not collective. */
int br_table_generate(const char *kind, uint64_t rows, uint64_t seed, const char *path);

#endif
