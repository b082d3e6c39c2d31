/* Lets is-it-slop's wheel load with glibc before 2.38.

   The wheel was compiled against glibc 2.38 or later, whose headers give strtol and its kin new names. All that the new
   functions do beyond the old ones is to read "0b101" as binary. Preloaded by benchmarks/peers.py, where it is needed:

       cc -shared -fPIC -O2 -o .venv-peers/isoc23.so benchmarks/isoc23.c
*/
#include <stdlib.h>

long __isoc23_strtol(const char *s, char **end, int base) { return strtol(s, end, base); }
long long __isoc23_strtoll(const char *s, char **end, int base) { return strtoll(s, end, base); }
unsigned long long __isoc23_strtoull(const char *s, char **end, int base) { return strtoull(s, end, base); }
