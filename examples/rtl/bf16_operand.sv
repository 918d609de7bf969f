// A bfloat16 number as significand * 2^(exponent - 7), the leading one of the significand at bit 7: subnormals too.
module bf16_operand (
    input  logic [15:0] x,
    output wire sign, zero, infinite, nan, signals,
    output wire signed [10:0] exponent,
    output wire [7:0] significand
);
    assign sign = x[15];
    assign zero = x[14:0] == 15'd0;
    assign infinite = x[14:0] == 15'h7F80;
    assign nan = x[14:0] > 15'h7F80;
    assign signals = nan & ~x[6];

    wire is_normal = |x[14:7];
    wire [7:0] raw = {is_normal, x[6:0]};
    wire z4 = ~|raw[7:4];
    wire [7:0] by_4 = z4 ? raw << 4 : raw;
    wire z2 = ~|by_4[7:6];
    wire [7:0] by_2 = z2 ? by_4 << 2 : by_4;
    wire z1 = ~by_2[7];
    wire [7:0] normal = z1 ? by_2 << 1 : by_2;
    wire [2:0] zeros = {z4, z2, z1};
    assign significand = normal;
    assign exponent = $signed({3'b0, is_normal ? x[14:7] : 8'd1}) - 11'sd127 - $signed({8'b0, zeros});
endmodule
