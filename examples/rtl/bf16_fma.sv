// y = a * b + c in bfloat16: 1 sign, 8 exponent bits (bias 127), 7 fraction bits. Rounded once, to nearest even,
// with the exceptions of IEEE 754 and the canonical NaN 0x7FC0 (as RISC-V). Combinational.
//
// BUG plants a mistake of bugs.sv; 0 is the right circuit.
module bf16_fma #(
    parameter integer BUG = 0
) (
    input  logic [15:0] a,
    input  logic [15:0] b,
    input  logic [15:0] c,
    output logic [15:0] y,
    output logic [4:0]  flags  // invalid, divide by zero, overflow, underflow, inexact
);
    wire a_sign, a_zero, a_infinite, a_nan, a_signals, b_sign, b_zero, b_infinite, b_nan, b_signals;
    wire c_sign, c_zero, c_infinite, c_nan, c_signals;
    wire signed [10:0] a_exponent, b_exponent, c_exponent;
    wire [7:0] a_significand, b_significand, c_significand;
    bf16_operand operand_a (a, a_sign, a_zero, a_infinite, a_nan, a_signals, a_exponent, a_significand);
    bf16_operand operand_b (b, b_sign, b_zero, b_infinite, b_nan, b_signals, b_exponent, b_significand);
    bf16_operand operand_c (c, c_sign, c_zero, c_infinite, c_nan, c_signals, c_exponent, c_significand);

    // The product: 16 bits, exact, its leading one at bit 15.
    wire product_sign = a_sign ^ b_sign;
    wire product_zero = a_zero | b_zero;
    wire [15:0] raw = a_significand * b_significand;
    wire [15:0] product = raw[15] ? raw : raw << 1;
    wire signed [10:0] product_exponent = a_exponent + b_exponent + (raw[15] ? 11'sd1 : 11'sd0);
    wire [15:0] addend = {c_significand, 8'b0};

    // The larger of the two stays where it is, the smaller moves right; bits that leave are kept as a sticky one.
    wire product_major = !product_zero & (c_zero | product_exponent > c_exponent
                          | (product_exponent == c_exponent & product >= addend));
    wire major_sign = product_major ? product_sign : c_sign;
    wire signed [10:0] major_exponent = product_major ? product_exponent : c_exponent;
    wire signed [10:0] minor_exponent = product_major ? c_exponent : product_exponent;
    wire [15:0] major = product_major ? product : addend;
    wire [15:0] minor = product_major ? (c_zero ? 16'd0 : addend) : (product_zero ? 16'd0 : product);

    wire [10:0] distance = major_exponent - minor_exponent;
    wire [5:0]  shift = distance > 11'd40 ? 6'd40 : distance[5:0];
    wire [74:0] moved = {minor, 19'b0, 40'b0} >> shift;
    wire        left_behind = |moved[39:0];
    wire [35:0] x = {1'b0, major, 19'b0};
    wire [35:0] z = {1'b0, moved[74:41], moved[40] | left_behind};
    wire        subtracts = product_sign ^ c_sign;
    wire [35:0] sum = subtracts ? x - z : x + z;

    // Normalize: the leading one to bit 35, by 32, 16, 8, 4, 2 and 1 places.
    wire z32 = ~|sum[35:4];
    wire [35:0] by_32 = z32 ? sum << 32 : sum;
    wire z16 = ~|by_32[35:20];
    wire [35:0] by_16 = z16 ? by_32 << 16 : by_32;
    wire z8 = ~|by_16[35:28];
    wire [35:0] by_8 = z8 ? by_16 << 8 : by_16;
    wire z4 = ~|by_8[35:32];
    wire [35:0] by_4 = z4 ? by_8 << 4 : by_8;
    wire z2 = ~|by_4[35:34];
    wire [35:0] by_2 = z2 ? by_4 << 2 : by_4;
    wire z1 = ~by_2[35];
    wire [35:0] normal = z1 ? by_2 << 1 : by_2;
    wire [5:0] zeros = {z32, z16, z8, z4, z2, z1};
    wire signed [10:0] exponent = major_exponent + 11'sd128 - $signed({5'b0, zeros});  // as it would be stored

    // Below exponent 1 the significand moves right once more: subnormal results.
    wire is_small = exponent < 11'sd1;
    wire [10:0] below = 11'sd1 - exponent;
    wire [3:0]  right = !is_small ? 4'd0 : below > 11'd9 ? 4'd9 : below[3:0];
    wire [44:0] aligned = {normal, 9'b0} >> right;
    wire [7:0]  kept = aligned[44:37];
    wire        guard = aligned[36];
    wire        sticky = (BUG == bugs::STICKY_LOST) ? aligned[35] : |aligned[35:0];

    // Round: a carry runs through the fraction into the exponent.
    wire round_up = (BUG == bugs::TRUNCATES) ? 1'b0 : (BUG == bugs::TIES_AWAY) ? guard : guard & (sticky | kept[0]);
    // The hidden bit adds the 1 that the exponent lacks; a subnormal has none.
    wire [10:0] field = is_small ? 11'd0 : exponent - 11'sd1;
    wire [17:0] magnitude = (BUG == bugs::CARRY_LOST) ? {field, 7'b0} + {10'b0, kept[7], kept[6:0] + {6'b0, round_up}}
                          : {field, 7'b0} + {10'b0, kept} + {17'b0, round_up};

    wire overflows = magnitude >= 18'h07F80;
    wire inexact = guard | (|aligned[35:0]) | overflows;
    wire tiny = is_small & ~(exponent == 11'sd0 & (&normal[35:27]));
    wire flushed = (BUG == bugs::RESULTS_FLUSHED) & magnitude < 18'h00080;

    // Specials come first.
    wire invalid = a_signals | b_signals | c_signals | (a_infinite & b_zero) | (a_zero & b_infinite)
                 | ((a_infinite | b_infinite) & c_infinite & subtracts & ~(a_nan | b_nan));
    wire [15:0] rounded = overflows ? {major_sign, BUG == bugs::OVERFLOW_TO_MAX ? 15'h7F7F : 15'h7F80}
                        : flushed ? {major_sign, 15'd0} : {major_sign, magnitude[14:0]};
    always_comb begin
        flags = 5'd0;
        if (invalid | a_nan | b_nan | c_nan) begin
            y = 16'h7FC0;
            flags = {invalid, 4'd0};
        end else if (a_infinite | b_infinite) y = {product_sign, 15'h7F80};
        else if (c_infinite) y = c;
        else if (sum == 36'd0) y = {product_sign & c_sign & BUG != bugs::MINUS_ZERO_LOST, 15'd0};  // x - x is +0
        else begin
            y = rounded;
            flags = {2'b0, overflows, tiny & inexact, inexact};
        end
    end
endmodule
