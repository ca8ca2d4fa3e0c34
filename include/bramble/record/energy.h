/* How much energy a machine takes, where something measures it: the processor packages' counters (powercap RAPL), the power chip of a Raspberry Pi 5 (the sum over its
 * rails), or a command that prints watts. One process of a machine asks. */
#ifndef BRAMBLE_RECORD_ENERGY_H
#define BRAMBLE_RECORD_ENERGY_H

struct br_meter;

/* *out = a meter: `command` (run through the shell each time, its first number is watts), else what the machine has; NULL where nothing can be read, and that is no
 * error. Errors: BR_ERROR_USAGE for a command that prints no number, BR_ERROR_MEMORY. */
int br_meter_open(const char *command, struct br_meter **out);
void br_meter_close(struct br_meter *meter); /* NULL does nothing */

/* "RAPL", "Pi 5 power chip" or "command"; "" for NULL. */
const char *br_meter_name(const struct br_meter *meter);

/* Joules since the meter was opened; of watts, as if they had been the mean of the last two readings between them: read it about once a second. NaN for NULL. */
double br_meter_joules(struct br_meter *meter);

/* Watts from what `vcgencmd pmic_read_adc` prints: volts times amperes of every rail that has both; NaN if none has. */
double br_meter_rails(const char *text);

#endif
