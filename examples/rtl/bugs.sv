// Mistakes, by number, that a circuit of this folder can have, under the names of numfmt.testing.mutants.
package bugs;
    localparam integer TRUNCATES = 1;        // no rounding at all
    localparam integer TIES_AWAY = 2;        // half is added
    localparam integer STICKY_LOST = 3;      // bits that left on the right are forgotten
    localparam integer CARRY_LOST = 4;       // 1.111 rounds to 1.000, not to 10.00
    localparam integer RESULTS_FLUSHED = 5;  // no subnormal results
    localparam integer OVERFLOW_TO_MAX = 6;  // the largest number beyond it
    localparam integer MINUS_ZERO_LOST = 7;  // zeros are positive
endpackage
