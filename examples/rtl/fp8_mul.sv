// y = a * b in OCP E4M3 (numfmt's e4m3fn): 1 sign, 4 exponent bits (bias 7), 3 fraction bits; no infinities,
// NaN is S.1111.111. Rounded once, to nearest even. Combinational.
//
// SATURATE = 0: beyond 448 comes NaN.  SATURATE = 1: +-448.
// BUG plants a mistake of bugs.sv; 0 is the right circuit.
module fp8_mul #(
    parameter SATURATE = 0,
    parameter integer BUG = 0
) (
    input  logic [7:0] a,
    input  logic [7:0] b,
    output logic [7:0] y,
    output logic [4:0] flags  // invalid, divide by zero, overflow, underflow, inexact
);
    localparam logic [6:0] NAN = 7'h7F, LARGEST = 7'h7E;

    // Fields. A subnormal has exponent 1 and no hidden bit.
    wire       sign    = a[7] ^ b[7];
    wire       is_nan  = (a[6:0] == NAN) | (b[6:0] == NAN);
    wire       a_normal = |a[6:3];
    wire       b_normal = |b[6:3];
    wire [3:0] a_exp   = a_normal ? a[6:3] : 4'd1;
    wire [3:0] b_exp   = b_normal ? b[6:3] : 4'd1;

    // 4 x 4 bits; then the leading one goes to bit 7, which weighs 2^(exponent - 7).
    wire [7:0] product = {4'b0, a_normal, a[2:0]} * {4'b0, b_normal, b[2:0]};
    logic [2:0] zeros;
    always_comb begin
        casez (product)
            8'b1???????: zeros = 3'd0;
            8'b01??????: zeros = 3'd1;
            8'b001?????: zeros = 3'd2;
            8'b0001????: zeros = 3'd3;
            8'b00001???: zeros = 3'd4;
            8'b000001??: zeros = 3'd5;
            8'b0000001?: zeros = 3'd6;
            default:     zeros = 3'd7;
        endcase
    end
    wire [7:0] normal = product << zeros;
    wire signed [6:0] exponent = $signed({3'b0, a_exp}) + $signed({3'b0, b_exp}) - 7'sd6 - $signed({4'b0, zeros});

    // Below exponent 1 the significand moves right: subnormal results. What leaves is kept as one sticky bit.
    wire        is_small = exponent < 7'sd1;
    wire [6:0]  distance = 7'sd1 - exponent;
    wire [3:0]  shift    = !is_small ? 4'd0 : distance > 7'd12 ? 4'd12 : distance[3:0];
    wire [19:0] aligned  = {normal, 12'b0} >> shift;
    wire [3:0]  kept     = aligned[19:16];
    wire        guard    = aligned[15];
    wire        sticky   = (BUG == bugs::STICKY_LOST) ? aligned[14] : |aligned[14:0];

    // Round: a carry runs through the fraction into the exponent.
    wire round_up = (BUG == bugs::TRUNCATES) ? 1'b0
                  : (BUG == bugs::TIES_AWAY) ? guard
                  : guard & (sticky | kept[0]);
    // The hidden bit adds the 1 that the exponent lacks; a subnormal has none.
    wire [6:0] field = is_small ? 7'd0 : exponent - 7'sd1;
    wire [9:0] magnitude = (BUG == bugs::CARRY_LOST) ? {field, 3'b0} + {6'b0, kept[3], kept[2:0] + {2'b0, round_up}}
                         : {field, 3'b0} + {6'b0, kept} + {9'b0, round_up};

    // Exceptions. Tiny: below 2^-6 after rounding to 4 bits with an exponent without end.
    wire [6:0] result = magnitude[6:0];
    wire overflows = magnitude > {3'b0, LARGEST};
    wire inexact   = guard | (|aligned[14:0]) | overflows;
    wire tiny      = is_small & ~(exponent == 7'sd0 & (&normal[7:3]));
    wire flushed   = (BUG == bugs::RESULTS_FLUSHED) & magnitude < 10'h008;

    wire [6:0] beyond = SATURATE || BUG == bugs::OVERFLOW_TO_MAX ? LARGEST : NAN;
    always_comb begin
        if (is_nan)                  y = {1'b0, NAN};
        else if (product == 8'd0)    y = (BUG == bugs::MINUS_ZERO_LOST) ? 8'd0 : {sign, 7'd0};
        else if (overflows)          y = {sign, beyond};
        else if (flushed)            y = {sign, 7'd0};
        else                         y = {sign, result};
        flags = (is_nan | product == 8'd0) ? 5'd0 : {2'b0, overflows, tiny & inexact, inexact};
    end
endmodule
