/* Chance, for the sampler: no libm, which a target need not have loaded. Any thread. */
#include "sampler.h"

#include <string.h>

static const double LN2 = 0.69314718055994530942;

/* xorshift64* (Vigna 2016); the upper 53 bits are a number in (0, 1]. */
static double uniform(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 0x2545F4914F6CDD1Du >> 11) + 1) * 0x1p-53;
}

/* The natural logarithm of a normal positive number: exponent, and a series of the mantissa. */
static double natural_logarithm(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & 0x000FFFFFFFFFFFFFu) | 0x3FF0000000000000u;
    double mantissa;
    memcpy(&mantissa, &bits, sizeof mantissa);
    if (mantissa > 1.41421356237309504880) {
        mantissa *= 0.5;
        exponent++;
    }
    double s = (mantissa - 1) / (mantissa + 1), square = s * s, sum = 0;
    for (int k = 19; k >= 1; k -= 2)
        sum = sum * square + 1.0 / k;
    return 2 * s * sum + exponent * LN2;
}

/* exp(-x) for x >= 0. */
static double decay(double x) {
    if (x > 700)
        return 0;
    int halvings = (int)(x / LN2 + 0.5);
    double rest = x - halvings * LN2, sum = 1;
    for (int k = 14; k >= 1; k--)
        sum = 1 - rest / k * sum;
    uint64_t bits = (uint64_t)(1023 - halvings) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

double ls_exponential(uint64_t *state, double mean) {
    return -natural_logarithm(uniform(state)) * mean;
}

double ls_sampled_share(double size, double mean) {
    double x = size / mean;
    return x < 1e-5 ? x * (1 - x / 2) : 1 - decay(x);
}
